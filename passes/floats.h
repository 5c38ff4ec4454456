// SPDX-License-Identifier: Apache-2.0
// A graph in other floats. Both passes that change precision do this, one way or the other.
#pragma once

#include <set>

#include "ir/graph.h"

namespace tessera {

// Every value of `from` inside the graph becomes one of `to`. The model keeps its interface: inputs
// of `from` are cast on the way in, outputs of `from` on the way out. A constant beyond f16's range
// becomes its largest number rather than infinity. Nodes of the ops in `kept` stay in `from`: their
// operands are cast back before them and their results after, but not between two of them. Errors:
// a constant without data.
Status change_floats(Graph& graph, DType from, DType to, const std::set<Op>& kept = {});

}  // namespace tessera
