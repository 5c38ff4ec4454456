// SPDX-License-Identifier: Apache-2.0
// An int64 of the model is an i32 here, so a number beyond 32 bits would be wrong. The compiler
// finds a bound for each integer input, within which every node stays inside 32 bits. Runners
// refuse inputs beyond their bound.
#pragma once

#include <map>
#include <string>
#include <unordered_map>

#include "ir/graph.h"
#include "support/expected.h"
#include "support/interval.h"

namespace tessera {

struct IntegerBound {
  int64_t most = 0;
  std::string node;   // that would leave 32 bits beyond it; "": the model declares a smaller type
  int64_t least = 0;  // as far below 0 as `most` is above, but of inputs that are subtracted
};

struct IntegerBounds {
  std::map<std::string, IntegerBound> inputs;  // i32 inputs that need one
  // Casts of floats that nothing bounds: the run looks at their results.
  std::unordered_map<const Node*, IntegerBound> casts;
};

// `declared`: what inputs of smaller types hold, by name, which runners check as well.
// Errors: a node that leaves 32 bits whatever these bounds are.
Expected<IntegerBounds> find_integer_bounds(const Graph& graph,
                                            const NamedIntervals& declared = {});

}  // namespace tessera
