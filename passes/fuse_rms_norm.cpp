// SPDX-License-Identifier: Apache-2.0
// x / √(mean(x²) + eps) · gamma becomes rms_norm(x, gamma).
//
// In its parts a whole tensor is squared, rows are gathered to be summed, and every element is
// divided; in f16 the squares of a large row are infinite, and an eps of 1e-12 is 0. As one node
// the row is read once and its sum is f32. After layer norms are found, as those end in one.
#include <optional>

#include "passes/match.h"
#include "passes/normalized.h"
#include "passes/passes.h"

namespace tessera {
namespace {

std::optional<Normalized> match(Node* root) {
  if (!root->is(Op::Mul) && !root->is(Op::Div)) return std::nullopt;
  auto found = match_normalized(root);
  return found && found->rest == found->squared ? found : std::nullopt;
}

}  // namespace

// Norms with a gamma come first: one without may be the inside of one that has it.
Expected<bool> fuse_rms_norm(Graph& graph, PassState& state) {
  bool changed = false;
  for (const bool with_gamma : {true, false}) {
    for (const auto& owned : graph.nodes()) {
      Node* root = owned.get();
      const std::optional<Normalized> found = match(root);
      if (!found || (with_gamma && !found->gamma)) continue;
      Node* x = found->squared;
      if (!may_put_rows(state, !found->gamma, x->type)) continue;
      Node* gamma = put_row(graph, root, found->gamma, 1, x->type);
      Node* fused = put(graph, root, root, Op::RmsNorm,
                        {
                            x, gamma
      },
                        {{"eps", found->eps}});
      graph.replace_uses(root, fused);
      changed = true;
    }
    graph.remove_dead();
  }
  return changed;
}

}  // namespace tessera
