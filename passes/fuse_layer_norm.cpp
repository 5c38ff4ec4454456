// SPDX-License-Identifier: Apache-2.0
// (x - mean) / √(variance + eps) · gamma + beta becomes layer_norm(x, gamma, beta).
//
// Nine nodes and two reductions become one codelet that reads its row once and keeps its sums in
// f32. Exporters differ in how they write the square (pow or mul), the division (by the root, or
// times its reciprocal), how often they subtract the mean, and TensorFlow folds it into
// x·s + (beta - mean·s) with s = gamma / √(variance + eps).
#include <optional>

#include "passes/match.h"
#include "passes/normalized.h"
#include "passes/passes.h"

namespace tessera {
namespace {

// x of x - mean(x), either way round.
Node* argument_of_centered(Node* node) {
  if (!node->is(Op::Sub)) return nullptr;
  for (int i : {0, 1})
    if (is_mean_of(node->in[1 - i], node->in[i])) return node->in[i];
  return nullptr;
}

// √(variance(x) + eps), one number a row.
struct Deviation {
  Node* x = nullptr;
  double eps = 0;
};

// Without a gamma it is 1, without a beta 0: exporters write them, folding drops them.
struct LayerNorm {
  Deviation deviation;
  Node* gamma = nullptr;
  Node* beta = nullptr;
};

std::optional<Deviation> deviation_of(const Normalized& normalized) {
  Node* x = argument_of_centered(normalized.squared);
  if (!x) return std::nullopt;
  return Deviation{x, normalized.eps};
}

std::optional<LayerNorm> match_centered(Node* scaled) {
  const auto normalized = match_normalized(scaled);
  if (!normalized || !normalized->rest->is(Op::Sub)) return std::nullopt;
  const Node* centered = normalized->rest;
  const auto deviation = deviation_of(*normalized);
  if (!deviation || centered->in[0] != deviation->x || !is_mean_of(centered->in[1], deviation->x))
    return std::nullopt;
  return LayerNorm{*deviation, normalized->gamma, nullptr};
}

// TensorFlow's x·s + (beta - mean·s).
std::optional<LayerNorm> match_folded(Node* scaled, Node* shift) {
  if (!shift->is(Op::Sub)) return std::nullopt;
  const auto left = match_normalized(scaled);
  const auto right = match_normalized(shift->in[1]);
  Node* beta = repeated_vector(shift->in[0]);
  if (!left || !right || !beta) return std::nullopt;
  const auto scale = deviation_of(*left), same = deviation_of(*right);
  if (!scale || !same) return std::nullopt;
  const Node* x = scale->x;
  const bool fits = left->rest == x && is_mean_of(right->rest, x) && same->x == x &&
                    same->eps == scale->eps && right->gamma == left->gamma;
  if (!fits) return std::nullopt;
  return LayerNorm{*scale, left->gamma, beta};
}

std::optional<LayerNorm> match_with_beta(Node* root) {
  if (!root->is(Op::Add)) return std::nullopt;
  for (int i : {0, 1}) {
    if (auto found = match_folded(root->in[i], root->in[1 - i])) return found;
    auto found = match_centered(root->in[i]);
    Node* beta = repeated_vector(root->in[1 - i]);
    if (!found || !beta) continue;
    found->beta = beta;
    return found;
  }
  return std::nullopt;
}

std::optional<LayerNorm> match_bare(Node* root) {
  if (!root->is(Op::Mul) && !root->is(Op::Div)) return std::nullopt;
  return match_centered(root);
}

std::optional<LayerNorm> match_with_gamma(Node* root) {
  auto found = match_bare(root);
  return found && found->gamma ? found : std::nullopt;
}

void put_layer_norm(Graph& graph, Node* root, const LayerNorm& norm) {
  Node* x = norm.deviation.x;
  Node* gamma = put_row(graph, root, norm.gamma, 1, x->type);
  Node* beta = put_row(graph, root, norm.beta, 0, x->type);
  Node* fused = put(graph, root, root, Op::LayerNorm,
                    {
                        x, gamma, beta
  },
                    {{"eps", norm.deviation.eps}});
  graph.replace_uses(root, fused);
}

}  // namespace

// Whole ones first: one without a beta may be the inside of one that has it.
Expected<bool> fuse_layer_norm(Graph& graph, PassState& state) {
  bool changed = false;
  for (const auto match : {match_with_beta, match_with_gamma, match_bare}) {
    for (const auto& owned : graph.nodes()) {
      const std::optional<LayerNorm> found = match(owned.get());
      if (!found || !may_put_rows(state, !found->gamma + !found->beta, found->deviation.x->type))
        continue;
      put_layer_norm(graph, owned.get(), *found);
      changed = true;
    }
    graph.remove_dead();
  }
  return changed;
}

}  // namespace tessera
