// SPDX-License-Identifier: Apache-2.0
// A graph in other floats. Both passes that change precision do this, one way or the other.
#pragma once

#include <unordered_set>

#include "ir/graph.h"

namespace tessera {

// Every value of `from` inside the graph becomes one of `to`. The model keeps its interface: inputs
// of `from` are cast on the way in, outputs of `from` on the way out. Nodes in `kept` stay in
// `from`: they read inputs and constants as they are, their other operands are cast back before
// them and their results after, but not between two of them, nor at an output. Errors: a constant
// without data.
Status change_floats(Graph& graph, DType from, DType to, std::unordered_set<const Node*> kept = {});

// The distance between 1 and the next number of a floating-point type. It bounds the relative error
// of rounding to that type.
double step_of(DType dtype);

}  // namespace tessera
