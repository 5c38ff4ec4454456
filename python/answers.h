// SPDX-License-Identifier: Apache-2.0
// Answers of single requests as arrays: new ones, or the caller's.
#pragma once

#include <pybind11/pybind11.h>

#include "program/popef.h"
#include "python/arrays.h"
#include "serving/request.h"

namespace tessera::python {

namespace py = pybind11;

// By output: [length, …], or […] where the model says one thing of a request.
py::dict answer_arrays(const Answer& answer, const Metadata& metadata);
// Into the caller's arrays: the first items of each are overwritten, the rest stays as it is. The
// array's dtype is the output's, or the other float type.
void fill_answer(const Answer& answer, const Metadata& metadata, const OutputViews& outputs);
// Before the request is taken: names, dtypes, and room for the answer to `length` tokens.
void check_room(const OutputViews& outputs, const Metadata& metadata, int64_t length);

}  // namespace tessera::python
