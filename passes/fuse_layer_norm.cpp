// SPDX-License-Identifier: Apache-2.0
// (x - mean) / √(variance + eps) · gamma + beta becomes layer_norm(x, gamma, beta).
//
// Nine nodes and two reductions become one codelet that reads its row once and keeps its sums in
// f32. Exporters differ in how they write the square (pow or mul), the division (by the root, or
// times its reciprocal), how often they subtract the mean, and TensorFlow folds it into
// x·s + (beta - mean·s) with s = gamma / √(variance + eps).
#include <optional>

#include "passes/match.h"
#include "passes/passes.h"

namespace tessera {
namespace {

Shape row_shape(Shape shape) {
  shape.back() = 1;
  return shape;
}

// The [rows…,1] value that this one repeats along the last axis of `shape`.
Node* row_value(Node* node, const Shape& shape) {
  if (!node->is(Op::Broadcast) || node->type.shape != shape) return nullptr;
  return node->in[0]->type.shape == row_shape(shape) ? node->in[0] : nullptr;
}

bool only_adds_last_axis(const Node* node) {
  if (!node->is(Op::Reshape)) return false;
  Shape squeezed = node->type.shape;
  if (squeezed.empty() || squeezed.back() != 1) return false;
  squeezed.pop_back();
  return node->in[0]->type.shape == squeezed;
}

// What this [rows…,1] value is the mean of, over the last axis.
Node* argument_of_mean(Node* node) {
  double scale = 1;
  while (!node->is(Op::ReduceSum)) {
    const Scaled scaled = peel_scale(node);
    if (scaled.value != node) {
      scale *= scaled.scale;
      node = scaled.value;
    } else if (only_adds_last_axis(node)) {
      node = node->in[0];
    } else {
      return nullptr;
    }
  }
  const Shape& shape = node->in[0]->type.shape;
  const int64_t last = static_cast<int64_t>(shape.size()) - 1;
  if (node->ints("axes") != std::vector{last}) return nullptr;
  const double exact = 1.0 / static_cast<double>(shape.back());
  const double rounding = node->type.dtype == DType::F16 ? 1e-3 : 1e-6;
  return close(scale, exact, rounding) ? node->in[0] : nullptr;
}

bool is_mean_of(Node* node, const Node* x) {
  Node* row = row_value(node, x->type.shape);
  return row && argument_of_mean(row) == x;
}

// x of x - mean(x), either way round.
Node* argument_of_centered(Node* node) {
  if (!node->is(Op::Sub)) return nullptr;
  for (int i : {0, 1})
    if (is_mean_of(node->in[1 - i], node->in[i])) return node->in[i];
  return nullptr;
}

Node* argument_of_square(Node* node) {
  if (node->is(Op::Mul) && node->in[0] == node->in[1]) return node->in[0];
  if (node->is(Op::Pow) && splat(node->in[1]) == 2.0) return node->in[0];
  return nullptr;
}

// √(variance(x) + eps), one number a row.
struct Deviation {
  Node* x = nullptr;
  double eps = 0;
};

Node* argument_of_root(Node* node) {
  if (node->is(Op::Sqrt)) return node->in[0];
  return node->is(Op::Pow) && splat(node->in[1]) == 0.5 ? node->in[0] : nullptr;
}

Node* argument_of_reciprocal_root(Node* node) {
  if (node->is(Op::Div) && splat(node->in[0]) == 1.0) return argument_of_root(node->in[1]);
  return node->is(Op::Pow) && splat(node->in[1]) == -0.5 ? node->in[0] : nullptr;
}

// From variance(x) + eps; null is no match. In f16 an eps of 1e-12 is 0, and folded away.
std::optional<Deviation> match_deviation(Node* sum) {
  if (!sum) return std::nullopt;
  double eps = 0;
  Node* variance = sum;
  if (sum->is(Op::Add)) {
    const auto is_eps = [&](Node* in) {
      eps = splat(in).value_or(-1);
      return eps >= 0;
    };
    variance = other_operand(sum, is_eps);
  }
  Node* square = variance ? argument_of_mean(variance) : nullptr;
  Node* centered = square ? argument_of_square(square) : nullptr;
  Node* x = centered ? argument_of_centered(centered) : nullptr;
  if (!x) return std::nullopt;
  return Deviation{x, eps};
}

// Without a gamma it is 1, without a beta 0: exporters write them, folding drops them.
struct LayerNorm {
  Deviation deviation;
  Node* gamma = nullptr;
  Node* beta = nullptr;
};

// gamma / deviation times one factor that is left over: centered x, x, or its mean.
struct Normalized {
  Deviation deviation;
  Node* gamma = nullptr;
  Node* rest = nullptr;
};

std::optional<Normalized> match_normalized(Node* node) {
  const Product product = product_of(node);
  if (product.scale != 1) return std::nullopt;
  const Shape& shape = node->type.shape;
  Normalized found;
  std::optional<Deviation> deviation;
  for (Node* factor : product.factors) {
    Node* row = row_value(factor, shape);
    Node* divisor = factor->is(Op::Div) ? row_value(factor->in[1], shape) : nullptr;
    if (auto times = match_deviation(row ? argument_of_reciprocal_root(row) : nullptr)) {
      deviation = times;
    } else if (auto by = match_deviation(divisor ? argument_of_root(divisor) : nullptr)) {
      deviation = by;
      found.rest = factor->in[0];
    } else if (Node* vector = row ? nullptr : repeated_vector(factor); vector && !found.gamma) {
      found.gamma = vector;
    } else if (!found.rest) {
      found.rest = factor;
    } else {
      return std::nullopt;
    }
  }
  if (!deviation || !found.rest) return std::nullopt;
  found.deviation = *deviation;
  return found;
}

std::optional<LayerNorm> match_centered(Node* scaled) {
  const auto normalized = match_normalized(scaled);
  if (!normalized || !normalized->rest->is(Op::Sub)) return std::nullopt;
  const Node* centered = normalized->rest;
  const Deviation& deviation = normalized->deviation;
  if (centered->in[0] != deviation.x || !is_mean_of(centered->in[1], deviation.x))
    return std::nullopt;
  return LayerNorm{deviation, normalized->gamma, nullptr};
}

// TensorFlow's x·s + (beta - mean·s).
std::optional<LayerNorm> match_folded(Node* scaled, Node* shift) {
  if (!shift->is(Op::Sub)) return std::nullopt;
  const auto left = match_normalized(scaled);
  const auto right = match_normalized(shift->in[1]);
  Node* beta = repeated_vector(shift->in[0]);
  if (!left || !right || !beta) return std::nullopt;
  const Node* x = left->deviation.x;
  const bool fits = left->rest == x && is_mean_of(right->rest, x) && right->deviation.x == x &&
                    right->deviation.eps == left->deviation.eps && right->gamma == left->gamma;
  if (!fits) return std::nullopt;
  return LayerNorm{left->deviation, left->gamma, beta};
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
  const Shape shape = {x->type.shape.back()};
  const auto vector = [&](Node* given, double otherwise) {
    if (given) return put_reshape(graph, root, given, shape);
    const std::vector<double> numbers(shape[0], otherwise);
    return graph.add_constant("",
                              to_tensor({
                                  {x->type.dtype, shape},
                                  numbers
    }),
                              root);
  };
  Node* gamma = vector(norm.gamma, 1);
  Node* beta = vector(norm.beta, 0);
  Node* fused = put(graph, root, root, Op::LayerNorm,
                    {
                        x, gamma, beta
  },
                    {{"eps", norm.deviation.eps}});
  graph.replace_uses(root, fused);
}

}  // namespace

// Whole ones first: one without a beta may be the inside of one that has it.
Expected<bool> fuse_layer_norm(Graph& graph, PassState&) {
  bool changed = false;
  for (const auto match : {match_with_beta, match_with_gamma, match_bare}) {
    for (const auto& owned : graph.nodes()) {
      const std::optional<LayerNorm> found = match(owned.get());
      if (!found) continue;
      put_layer_norm(graph, owned.get(), *found);
      changed = true;
    }
    graph.remove_dead();
  }
  return changed;
}

}  // namespace tessera
