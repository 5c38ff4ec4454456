// SPDX-License-Identifier: Apache-2.0
// Arrays of Python as the runners want them, without a copy where layout allows: NumPy arrays,
// anything that speaks DLPack and lies in host memory, and lists.
//
// NumPy is used as any script uses it: arrays are looked into by Python's buffer protocol and made
// by numpy.empty. Nothing here knows how NumPy lays out its own objects, so that one build works
// with NumPy 1 and 2.
#pragma once

#include <pybind11/pybind11.h>

#include <span>
#include <string>
#include <vector>

#include "executor/model_runner.h"
#include "program/popef.h"

namespace tessera::python {

namespace py = pybind11;

// Views, and the Python objects that keep their bytes alive.
struct HeldInputs {
  InputViews views;
  std::vector<py::object> keep;
};
struct HeldOutputs {
  OutputViews views;
  std::vector<py::object> keep;
  py::dict arrays;  // what the caller gets back, by name
};

// `inputs` maps names to arrays. An input that is not C-contiguous is copied. Raises tessera.Error
// for a dtype that no anchor has; names, shapes and values are the runner's to check.
HeldInputs hold_inputs(const py::handle& inputs);
// `outputs` maps names to arrays that are filled in place, so each must be writable and
// C-contiguous; None: new ones for every output, in the executable's dtypes.
HeldOutputs hold_outputs(const py::handle& outputs, const Metadata& metadata);

const py::object& numpy_dtype(DType dtype);  // numpy.dtype
// A new array of NumPy's, and where its elements lie.
struct NewArray {
  py::object array;
  std::span<std::byte> bytes;
};
NewArray new_array(DType dtype, const Shape& shape);
py::tuple shape_tuple(const Shape& shape);

}  // namespace tessera::python
