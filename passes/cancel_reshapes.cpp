// SPDX-License-Identifier: Apache-2.0
// A reshape of a reshape is one, and none when the shape is there already.
//
// Exporters flatten tokens before a matmul and restore them after it; TensorFlow's do so for every
// linear map. Row-major order is all that a reshape keeps, so only the last one says anything.
//
// A transpose between two reshapes, of which the first joins leading axes and the second takes them
// apart again, is a transpose alone: PyTorch's exporter turns the keys of all heads so.
#include <algorithm>
#include <numeric>
#include <optional>

#include "passes/match.h"
#include "passes/passes.h"

namespace tessera {
namespace {

struct Turned {
  Node* value = nullptr;
  std::vector<int64_t> perm;
};

std::optional<Turned> turned_behind_joined_axes(const Node* node) {
  const Node* turn = node->in[0];
  if (!turn->is(Op::Transpose) || !turn->in[0]->is(Op::Reshape)) return std::nullopt;
  Node* value = turn->in[0]->in[0];
  const Shape &whole = value->type.shape, &joined = turn->in[0]->type.shape;
  const std::vector<int64_t>& perm = turn->ints("perm");
  if (joined.empty() || whole.size() < joined.size() || perm[0] != 0) return std::nullopt;
  const size_t more = whole.size() - joined.size();
  if (!std::equal(joined.begin() + 1, joined.end(), whole.begin() + static_cast<int64_t>(more) + 1))
    return std::nullopt;
  Turned turned{value, std::vector<int64_t>(whole.size())};
  std::iota(turned.perm.begin(), turned.perm.end(), 0);
  for (size_t d = 1; d < perm.size(); ++d)
    turned.perm[more + d] = perm[d] + static_cast<int64_t>(more);
  Shape wanted;
  for (int64_t axis : turned.perm) wanted.push_back(whole[axis]);
  return node->type.shape == wanted ? std::optional(turned) : std::nullopt;
}

}  // namespace

Expected<bool> cancel_reshapes(Graph& graph, PassState&) {
  bool changed = false;
  for (const auto& owned : graph.nodes()) {
    Node* node = owned.get();
    if (!node->is(Op::Reshape)) continue;
    while (node->in[0]->is(Op::Reshape)) {
      graph.set_operand(node, 0, node->in[0]->in[0]);
      changed = true;
    }
    if (const auto turned = turned_behind_joined_axes(node)) {
      graph.replace_uses(node, put(graph, node, node, Op::Transpose,
                                   {
                                       turned->value
      },
                                   {{"perm", turned->perm}}));
      changed = true;
      continue;
    }
    if (node->in[0]->type != node->type) continue;
    graph.replace_uses(node, node->in[0]);
    changed = true;
  }
  return changed;
}

}  // namespace tessera
