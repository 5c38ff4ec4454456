// SPDX-License-Identifier: Apache-2.0
// x/2 · (1 + erf(x/√2)) becomes gelu(x), and so does its approximation by tanh.
//
// Exporters write five to eight nodes for it, in every association of the product. As one node it
// is the epilogue of the matmul before it, and the widest activation of a layer is stored once.
#include <cmath>
#include <numbers>

#include "passes/match.h"
#include "passes/passes.h"

namespace tessera {
namespace {

// How far a number may be from the exact one. In fp16 it may be rounded to 11 bits. In f32 it may
// be cut to four digits, as some exporters write 0.7071: that changes no answer by more than 1e-5.
struct Near {
  double root, cubic;
};
constexpr Near kNearInHalf = {6e-4, 6e-4}, kNear = {2e-5, 4e-4};

// The operand beside a 1 in a sum.
Node* beside_one(Node* node) {
  if (!node->is(Op::Add)) return nullptr;
  return other_operand(node, [](Node* in) { return splat(in) == 1.0; });
}

Node* argument_of_erf(Node* node, const Near& near) {
  if (!node->is(Op::Erf)) return nullptr;
  const Scaled scaled = peel_scale(node->in[0]);
  return close(scaled.scale, std::numbers::sqrt2 / 2, near.root) ? scaled.value : nullptr;
}

// 0.044715 · x^exponent, by pow or by products in any order.
bool is_cubic_term(Node* node, Node* x, size_t exponent, const Near& near) {
  const Factors term = product_of(node, x);
  if (!close(term.scale, 0.044715, near.cubic)) return false;
  if (term.factors == std::vector<Node*>(exponent, x)) return true;
  const Node* power = term.factors.size() == 1 ? term.factors[0] : nullptr;
  return power && power->is(Op::Pow) && power->in[0] == x &&
         splat(power->in[1]) == static_cast<double>(exponent);
}

// tanh(√(2/π) · (x + 0.044715 x³)), with or without x taken out of the bracket.
Node* argument_of_tanh(Node* node, const Near& near) {
  if (!node->is(Op::Tanh)) return nullptr;
  const Factors inner = product_of(node->in[0]);
  if (!close(inner.scale, std::sqrt(2 / std::numbers::pi), near.root)) return nullptr;
  if (inner.factors.size() == 1 && inner.factors[0]->is(Op::Add)) {
    Node* sum = inner.factors[0];
    for (int i : {0, 1})
      if (is_cubic_term(sum->in[1 - i], sum->in[i], 3, near)) return sum->in[i];
  }
  if (inner.factors.size() == 2) {
    for (int i : {0, 1}) {
      Node* rest = beside_one(inner.factors[1 - i]);
      if (rest && is_cubic_term(rest, inner.factors[i], 2, near)) return inner.factors[i];
    }
  }
  return nullptr;
}

struct Gelu {
  Node* x;
  const char* form;
};

// The root of the whole product, or nothing.
std::optional<Gelu> match(Node* root, const Near& near) {
  if (!root->is(Op::Mul) && !root->is(Op::Div)) return std::nullopt;
  for (Node* factor : product_of(root).factors) {
    Node* function = beside_one(factor);
    if (!function) continue;
    Gelu gelu{argument_of_erf(function, near), "erf"};
    if (!gelu.x) gelu = {argument_of_tanh(function, near), "tanh"};
    if (!gelu.x) continue;
    const Factors whole = product_of(root, gelu.x);
    const bool both = whole.factors == std::vector{gelu.x, factor} ||
                      whole.factors == std::vector{factor, gelu.x};
    if (both && whole.scale == 0.5) return gelu;
  }
  return std::nullopt;
}

}  // namespace

Expected<bool> fuse_gelu(Graph& graph, PassState& state) {
  bool changed = false;
  for (const auto& owned : graph.nodes()) {
    Node* root = owned.get();
    const bool half = state.options.fp16 || root->type.dtype == DType::F16;
    const std::optional<Gelu> gelu = match(root, half ? kNearInHalf : kNear);
    if (!gelu) continue;
    Node* fused = put(graph, root, root, Op::Gelu,
                      {
                          gelu->x
    },
                      {{"form", std::string(gelu->form)}});
    graph.replace_uses(root, fused);
    changed = true;
  }
  return changed;
}

}  // namespace tessera
