// SPDX-License-Identifier: Apache-2.0
// A lookup of all elements in their order is a reshape.
//
// PyTorch's exporters read a mask so, at row · length + key for every row and key. As a lookup it
// would hide what it is, and its indices depend on the length of the row.
#include "passes/match.h"
#include "passes/passes.h"

namespace tessera {
namespace {

bool counts_all(const Node* index, int64_t rows) {
  if (elements(index->type.shape) != rows) return false;
  for (int i = 0; i < kFarthest && index->is(Op::Reshape); ++i) index = index->in[0];
  if (!index->is(Op::Constant) || !index->value.has_data()) return false;
  for (int64_t i = 0; i < rows; ++i)
    if (element(index->value, i) != static_cast<double>(i)) return false;
  return true;
}

}  // namespace

Expected<bool> cancel_lookups(Graph& graph, PassState&) {
  bool changed = false;
  for (const auto& owned : graph.nodes()) {
    Node* node = owned.get();
    if (!node->is(Op::Gather) || node->int_attr("axis") != 0) continue;
    if (!counts_all(node->in[1], node->in[0]->type.shape[0])) continue;
    graph.replace_uses(node, put_reshape(graph, node, node->in[0], node->type.shape));
    changed = true;
  }
  return changed;
}

}  // namespace tessera
