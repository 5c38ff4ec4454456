// SPDX-License-Identifier: Apache-2.0
// Two transposes in a row are one, and none when they undo each other.
//
// Splitting heads and joining them again leaves such pairs behind. Each one that survives moves a
// whole tensor through the exchange. They are two in a row also where heads were joined between
// them: [b,h,d,s] to channels [b,h·d,s], which a convolution reads as [b,s,h·d].
#include <algorithm>

#include "passes/match.h"
#include "passes/passes.h"

namespace tessera {
namespace {

// The transpose whose heads `outer` transposes with their channels, or null.
Node* before_joined_heads(const Node* outer) {
  const Node* join = outer->in[0];
  const bool transposes = outer->ints("perm") == std::vector<int64_t>{0, 2, 1};
  if (!transposes || !join->is(Op::Reshape) || !join->in[0]->is(Op::Transpose)) return nullptr;
  const Shape &apart = join->in[0]->type.shape, &joined = join->type.shape;
  const bool joins = apart.size() == 4 && apart[0] == joined[0] && apart[3] == joined[2];
  return joins ? join->in[0] : nullptr;
}

std::map<std::string, Attr> with_perm(std::vector<int64_t> perm) {
  std::map<std::string, Attr> attrs;
  attrs.emplace("perm", std::move(perm));
  return attrs;
}

}  // namespace

Expected<bool> cancel_transposes(Graph& graph, PassState&) {
  bool changed = false;
  for (const auto& owned : graph.nodes()) {
    Node* outer = owned.get();
    if (!outer->is(Op::Transpose)) continue;
    while (outer->in[0]->is(Op::Transpose)) {
      const Node* inner = outer->in[0];
      std::vector<int64_t> perm = outer->ints("perm");
      for (int64_t& axis : perm) axis = inner->ints("perm")[axis];
      outer->attrs["perm"] = perm;
      graph.set_operand(outer, 0, inner->in[0]);
      changed = true;
    }
    if (const Node* inner = before_joined_heads(outer)) {
      std::vector<int64_t> perm = {0, 3, 1, 2};
      for (int64_t& axis : perm) axis = inner->ints("perm")[axis];
      Node* transposed =
          put(graph, outer, outer, Op::Transpose, {inner->in[0]}, with_perm(std::move(perm)));
      graph.replace_uses(outer, put_reshape(graph, outer, transposed, outer->type.shape));
      changed = true;
      continue;
    }
    if (!std::ranges::is_sorted(outer->ints("perm"))) continue;
    graph.replace_uses(outer, outer->in[0]);
    changed = true;
  }
  return changed;
}

}  // namespace tessera
