// SPDX-License-Identifier: Apache-2.0
// Heads that are merged with the batch, [batch·heads,rows,d], stand apart: [batch,heads,rows,d].
//
// Products by batch in PyTorch's bmm have one axis for both, and a mask or a bias by head is added
// between two reshapes. Attention, and what is told of rows of the batch, know them apart.
#include <utility>

#include "passes/match.h"
#include "passes/passes.h"
#include "passes/split_merged_axes.h"

namespace tessera {
namespace {

// Products of a softmax's weights by values, with one axis in front.
int64_t merged_products(const Graph& graph) {
  int64_t count = 0;
  for (const auto& node : graph.nodes()) {
    if (!node->is(Op::MatMul) || node->type.shape.size() != 3) continue;
    const Node* weights = node->in[0];
    for (int i = 0; i < kFarthest && weights->is(Op::Reshape); ++i) weights = weights->in[0];
    if (weights->is(Op::Softmax)) ++count;
  }
  return count;
}

}  // namespace

Expected<bool> split_merged_heads(Graph& graph, PassState&) {
  const int64_t merged = merged_products(graph);
  if (merged == 0) return false;
  Graph split = graph.clone();
  split_merged_axes(split);
  if (merged_products(split) == merged) return false;
  graph = std::move(split);
  return true;
}

}  // namespace tessera
