// SPDX-License-Identifier: Apache-2.0
// Rows that are looked up in a dequantized table are looked up in its bytes, and dequantized then:
// a model that was quantized statically would make floats of the whole table for every batch.
#include "passes/match.h"
#include "passes/passes.h"

namespace tessera {

Expected<bool> look_up_bytes(Graph& graph, PassState&) {
  std::vector<Node*> found;
  for (const auto& node : graph.nodes()) {
    const Node* table = node->in.empty() ? nullptr : node->in[0];
    if (node->is(Op::Gather) && table->is(Op::Dequantize) && splat(table->in[1]) &&
        splat(table->in[2]))
      found.push_back(node.get());
  }
  for (Node* node : found) {
    const Node* table = node->in[0];
    Node* bytes = put(graph, node, node, Op::Gather, {table->in[0], node->in[1]}, node->attrs);
    std::vector<Node*> in{bytes};
    for (const size_t i : {1, 2})
      in.push_back(
          put_splat(graph, node, table->in[i]->type.dtype, *splat(table->in[i]), node->type.shape));
    graph.replace_uses(node, put(graph, node, node, Op::Dequantize, in));
  }
  return !found.empty();
}

}  // namespace tessera
