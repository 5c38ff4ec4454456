// SPDX-License-Identifier: Apache-2.0
// A division by one number becomes a product with its reciprocal.
//
// Vectors of halves are divided in 16 issues and multiplied in 2. The product may differ from the
// quotient in its last bit, so a division stays where a later rounding, comparison or cast to
// integers would make a whole step of that: floor(6 / 3).
#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <unordered_set>

#include "passes/match.h"
#include "passes/passes.h"

namespace tessera {
namespace {

bool is_one_of(const Node* node, std::initializer_list<Op> ops) {
  return std::ranges::any_of(ops, [node](Op op) { return node->is(op); });
}

// Does a small difference of an operand become a large one?
bool makes_steps(const Node* node) {
  return is_one_of(node, {Op::Floor, Op::Round, Op::Equal, Op::Less}) ||
         (node->is(Op::Cast) && !is_float(node->type.dtype));
}

// These round anew, whatever the last bit of their operands is.
bool rounds_anew(const Node* node) {
  return is_one_of(node, {Op::Exp, Op::Erf, Op::ErfV2, Op::Tanh, Op::Gelu, Op::MatMul, Op::Softmax,
                          Op::LayerNorm, Op::RmsNorm, Op::Rotary, Op::Attention});
}

// Values from which a step is reached before anything rounds anew.
std::unordered_set<const Node*> before_steps(const Graph& graph) {
  std::unordered_set<const Node*> before;
  for (auto node = graph.nodes().rbegin(); node != graph.nodes().rend(); ++node) {
    const Node* user = node->get();
    if (!makes_steps(user) && (rounds_anew(user) || !before.contains(user))) continue;
    before.insert(user->in.begin(), user->in.end());
  }
  return before;
}

// The reciprocal of the one number that this node divides floats by, where the node's type holds
// it in full.
std::optional<double> reciprocal(const Node* node) {
  if (!node->is(Op::Div) || !is_float(node->type.dtype)) return std::nullopt;
  const std::optional<double> by = splat(node->in[1]);
  if (!by) return std::nullopt;
  const bool half = node->type.dtype == DType::F16;
  const double least = half ? 0x1p-14 : 0x1p-126, most = half ? 65504 : 0x1p126;
  const double is = std::abs(1 / *by);
  return is >= least && is <= most ? std::optional(1 / *by) : std::nullopt;
}

bool is_power_of_two(double number) {
  int exponent = 0;
  return std::abs(std::frexp(number, &exponent)) == 0.5;
}

}  // namespace

Expected<bool> replace_div_with_mul(Graph& graph, PassState&) {
  const std::unordered_set<const Node*> exact = before_steps(graph);
  bool changed = false;
  for (const auto& owned : graph.nodes()) {
    Node* quotient = owned.get();
    const std::optional<double> by = reciprocal(quotient);
    if (!by || (exact.contains(quotient) && !is_power_of_two(*by))) continue;
    Node* factor = put_splat(graph, quotient, quotient->type.dtype, *by, quotient->type.shape);
    graph.replace_uses(quotient,
                       put(graph, quotient, quotient, Op::Mul, {quotient->in[0], factor}));
    changed = true;
  }
  return changed;
}

}  // namespace tessera
