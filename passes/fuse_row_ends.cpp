// SPDX-License-Identifier: Apache-2.0
// The largest magnitude of each row, which a scale for each token is made of, is the larger of how
// far the row reaches below 0 and above it: read once, with no magnitudes in between. In models
// that multiply bytes alone.
#include "passes/match.h"
#include "passes/passes.h"

namespace tessera {
namespace {

bool is_largest_magnitude(const Node* node) {
  if (!node->is(Op::ReduceMax) || !node->in[0]->is(Op::Abs)) return false;
  const auto last = std::ssize(node->in[0]->type.shape) - 1;
  return node->type.dtype == DType::F32 && node->ints("axes") == std::vector<int64_t>{last};
}

}  // namespace

Expected<bool> fuse_row_ends(Graph& graph, PassState&) {
  std::vector<Node*> found;
  bool has_bytes = false, any = false;
  for (const auto& node : graph.nodes()) {
    has_bytes = has_bytes || node->is(Op::MatMulInteger);
    if (is_largest_magnitude(node.get())) found.push_back(node.get());
  }
  if (!has_bytes) return false;
  for (Node* node : found) {
    Node* x = node->in[0]->in[0];
    if (x->type.shape.back() == 0) continue;  // the largest of nothing is -inf
    Node* ends = put(graph, node, node, Op::RowEnds, {x});
    graph.replace_uses(node, put(graph, node, node, Op::ReduceMax, {ends}, node->attrs));
    any = true;
  }
  return any;
}

}  // namespace tessera
