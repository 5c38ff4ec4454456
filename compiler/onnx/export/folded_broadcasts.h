// SPDX-License-Identifier: Apache-2.0
// The broadcasts of a Graph that a model need not hold: ONNX's elementwise operations stretch their
// operands themselves. A bias that is added is one edge then, and not an Expand.
#pragma once

#include <set>

#include "ir/graph.h"

namespace tessera {

// Broadcasts that only such operations read, and that those make again out of what is left: the
// shape of each operation's result is still that which its operands broadcast to. Where several
// stretch one value to one shape, it is the first.
std::set<const Node*> folded_broadcasts(const Graph& graph);

}  // namespace tessera
