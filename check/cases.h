// SPDX-License-Identifier: Apache-2.0
// A check runs requests of different lengths and whole batches. Each has the inputs that a
// reference takes for it alone.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "check/check.h"
#include "check/reference.h"
#include "compiler/onnx/import/import.h"

namespace tessera {

// The meanings of a model's inputs, as far as a request needs them.
struct TokenInputs {
  Shape batch;                            // [rows,row_length] of all of them; empty: there are none
  std::string ids, mask, positions;       // "" where there is none
  std::vector<std::string> all;           // every input that begins with that shape, these too
  std::map<std::string, Shape> of_token;  // of each of them: the axes behind
  bool only_these = false;                // the model has no other inputs
  bool mask_hides = false;                // the mask is 1 where it hides
};

struct Case {
  std::string name;
  Request request;
  int64_t length = 0;
  Arrays alone;  // the request as one row: of its own length, or padded to the model's
};

// Every input i32 or float of the shapes that `graph` has, seeded. Ids are below their limits, the
// mask leaves out the end of some rows, positions count.
Arrays random_batch(const Graph& graph, const TokenInputs& inputs, uint64_t seed);

// Seeded requests of 1 to row_length tokens, the shortest and the longest among them.
std::vector<Case> random_cases(const Graph& graph, const TokenInputs& inputs, int64_t count,
                               uint64_t seed);
// The inputs of a request alone, [rows,length]. Behind the request's tokens every input is 0, and
// rows are copies of the first.
Arrays inputs_alone(const TokenInputs& inputs, const Request& request, int64_t rows,
                    int64_t length);

}  // namespace tessera
