// SPDX-License-Identifier: Apache-2.0
// The typical magnitude of each value of a graph, as far as constants tell: how small the numbers
// are that products by small weights make.
//
// A range (value_range.h) says how large a value may be, and nothing of how small it mostly is.
// Here a value has one number, the root of its mean square, where weights and activations have
// either sign and do not depend on each other: a float input has 1, a norm has its scale, a matmul
// by weights multiplies by the length of a column. It is an estimate: precision may be chosen by
// it, and never an answer.
#pragma once

#include <unordered_map>

#include "ir/graph.h"

namespace tessera {

using TypicalSizes = std::unordered_map<const Node*, double>;
// One walk over the nodes, in their order. At most 4096 numbers of a constant are read.
TypicalSizes find_typical_sizes(const Graph& graph);

}  // namespace tessera
