// SPDX-License-Identifier: Apache-2.0
// Two transposes in a row are one, and none when they undo each other.
//
// Splitting heads and joining them again leaves such pairs behind. Each one that survives moves a
// whole tensor through the exchange.
#include <algorithm>

#include "passes/passes.h"

namespace tessera {

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
    if (!std::ranges::is_sorted(outer->ints("perm"))) continue;
    graph.replace_uses(outer, outer->in[0]);
    changed = true;
  }
  return changed;
}

}  // namespace tessera
