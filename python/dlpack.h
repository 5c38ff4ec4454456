// SPDX-License-Identifier: Apache-2.0
// Another library's array through DLPack (https://dmlc.github.io/dlpack, version 0: a capsule named
// "dltensor"), read where it lies.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "support/type.h"

namespace tessera::python {

namespace py = pybind11;

struct DlpackView {
  char kind = '?';  // NumPy's letters: i, u, f, b; ? for what it has none for
  int64_t item_bytes = 0;
  std::string dtype_name;
  Shape shape;
  std::byte* data = nullptr;
  bool contiguous = false;  // row-major
  py::object capsule;       // owns the array: we never take it out, so it frees it when it dies
};

// Raises tessera.Error if the array does not lie in host memory.
DlpackView view_dlpack(const std::string& name, const py::handle& array);

}  // namespace tessera::python
