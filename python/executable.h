// SPDX-License-Identifier: Apache-2.0
// tessera.Executable: what compile made or a file holds.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "compiler/compile.h"
#include "program/popef.h"

namespace tessera::python {

namespace py = pybind11;

struct ExecutableHandle {
  std::shared_ptr<const Executable> executable;
  std::vector<Phase> phases;  // of the compile; none where it was read from a file
  std::vector<std::string> warnings;
};

// ((name, dtype, shape, model dtype, index limit), …) of a kind, as tessera.Tensor.
py::tuple tensors_of(const Metadata& metadata, AnchorKind kind);
// An ExecutableHandle, or the path of a file, which is read and verified.
std::shared_ptr<const Executable> executable_of(const py::handle& executable_or_path,
                                                const Limits& limits);
// str, bytes or os.PathLike, in the file system's encoding; `argument` names it in errors.
std::string path_of(const py::handle& path, const char* argument);

}  // namespace tessera::python
