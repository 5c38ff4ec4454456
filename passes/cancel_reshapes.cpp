// SPDX-License-Identifier: Apache-2.0
// A reshape of a reshape is one, and none when the shape is there already.
//
// Exporters flatten tokens before a matmul and restore them after it; TensorFlow's do so for every
// linear map. Row-major order is all that a reshape keeps, so only the last one says anything.
#include "passes/passes.h"

namespace tessera {

Expected<bool> cancel_reshapes(Graph& graph, PassState&) {
  bool changed = false;
  for (const auto& owned : graph.nodes()) {
    Node* node = owned.get();
    if (!node->is(Op::Reshape)) continue;
    while (node->in[0]->is(Op::Reshape)) {
      graph.set_operand(node, 0, node->in[0]->in[0]);
      changed = true;
    }
    if (node->in[0]->type != node->type) continue;
    graph.replace_uses(node, node->in[0]);
    changed = true;
  }
  return changed;
}

}  // namespace tessera
