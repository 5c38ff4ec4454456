// SPDX-License-Identifier: Apache-2.0
// Answers of single requests as arrays: new ones, or the caller's.
#pragma once

#include <pybind11/pybind11.h>

#include <map>
#include <span>
#include <string>

#include "program/packing_contract.h"
#include "program/popef.h"
#include "python/arrays.h"
#include "serving/request.h"

namespace tessera::python {

namespace py = pybind11;

// The answers to the rows of a padded batch as one, whose outputs are [rows, …] or
// [rows, width, …], with 0 for the padding.
struct JoinedAnswer {
  Answer answer;
  std::map<std::string, Shape> shapes;
};
JoinedAnswer join_answers(const Metadata& metadata, const PackingContract& contract, int64_t width,
                          std::span<const Answer> answers);
py::dict answer_arrays(const JoinedAnswer& joined, const Metadata& metadata);

// By output: [length,…], or […] where the model says one thing of a request: the shape that it has
// there for that request, without the axis of the batch.
py::dict answer_arrays(const Answer& answer, const Metadata& metadata,
                       const PackingContract& contract);
// Into the caller's arrays: the first items of each are overwritten, the rest stays as it is. The
// array's dtype is the output's, or the other float type.
void fill_answer(const Answer& answer, const Metadata& metadata, const OutputViews& outputs);
// Before the request is taken: names, dtypes, and room for the answers to `rows` requests of
// `length` tokens.
void check_room(const OutputViews& outputs, const Metadata& metadata, int64_t length,
                int64_t rows = 1);

}  // namespace tessera::python
