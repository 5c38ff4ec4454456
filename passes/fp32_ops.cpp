// SPDX-License-Identifier: Apache-2.0
#include "passes/fp32_ops.h"

#include <algorithm>
#include <set>

#include "passes/match.h"
#include "support/half.h"

namespace tessera {

bool reads_f32(const Node* node) { return std::ranges::any_of(node->in, in_f32); }

bool leads_to_a_sum(const Node* node) {
  static const std::set<Op> kOps = {Op::Sub, Op::Mul,    Op::Div,  Op::Pow,       Op::Abs,
                                    Op::Exp, Op::Select, Op::Cast, Op::Broadcast, Op::Reshape};
  return kOps.contains(node->op) && in_f32(node);
}

double rounding_of_scores(const Tensor& bias) {
  constexpr double kHidden = -1000;
  const Shape& shape = bias.type().shape;
  if (bias.is_uniform() || shape.empty()) return 0;
  double most = 0;
  for (int64_t row = 0; row < elements(shape); row += shape.back()) {
    double least = 0, largest = 0;
    bool any = false;
    for (int64_t i = row; i < row + shape.back(); ++i) {
      const double number = element(bias, i);
      if (!(number >= kHidden && number <= kMaxHalf)) continue;
      const double error = from_half(to_half(number)) - number;
      least = any ? std::min(least, error) : error;
      largest = any ? std::max(largest, error) : error;
      any = true;
    }
    most = std::max(most, largest - least);
  }
  return most;
}

bool is_offset(const Node* node, const ValueRange& a, const ValueRange& b) {
  constexpr double kFar = 8;
  if (!node->is(Op::Add) && !node->is(Op::Sub)) return false;
  for (const size_t i : {0, 1}) {
    const ValueRange &of = i == 0 ? a : b, &other = i == 0 ? b : a;
    const bool is_far = of.lo >= kFar || of.hi <= -kFar;
    if (is_far && behind_views(node->in[i])->is(Op::Constant) && other.step == 0) return true;
  }
  return false;
}

namespace {

// A node that moves elements by constant indices; no lookup of ids.
bool only_moves(const Node* node) {
  return moves(node) && (!node->is(Op::Gather) || behind_views(node->in[1])->is(Op::Constant));
}

// The operand that a node bounds, scales or shifts by constants, or takes a function of; null where
// there is none.
const Node* adjusted(const Node* node) {
  if (node->is(Op::Log) || node->is(Op::Sqrt) || node->is(Op::Exp) || node->is(Op::Abs))
    return node->in[0];
  const auto is_constant = [](Node* in) { return behind_views(in)->is(Op::Constant); };
  const bool adjusts = node->is(Op::Max) || node->is(Op::Min) || node->is(Op::Mul) ||
                       node->is(Op::Div) || node->is(Op::Pow) || node->is(Op::Add) ||
                       node->is(Op::Sub);
  if (adjusts && is_constant(node->in[0]) != is_constant(node->in[1]))
    return node->in[is_constant(node->in[0]) ? 1 : 0];
  if (node->is(Op::Select) && is_constant(node->in[1]) != is_constant(node->in[2]))
    return node->in[is_constant(node->in[1]) ? 2 : 1];
  return nullptr;
}

// The value that is behind moves, bounds, factors, offsets and functions.
const Node* adjusted_from(const Node* node) {
  for (int i = 0; i < kFarthest; ++i) {
    const Node* before = only_moves(node) ? node->in[0] : adjusted(node);
    if (!before) break;
    node = before;
  }
  return node;
}

bool is_float_input(const Node* node) { return node->is(Op::Input) && in_f32(node); }

}  // namespace

bool is_made_of_input(const Node* node) { return is_float_input(adjusted_from(node)); }

bool is_rest_of_probability(const Node* node) {
  if (!node->is(Op::Sub) || !(splat(node->in[0]).value_or(0) > 0)) return false;
  const Node* of = node->in[1];
  for (int i = 0; i < kFarthest; ++i) {
    const bool gathers =
        only_moves(of) || of->is(Op::ReduceSum) || of->is(Op::ReduceMax) || of->is(Op::CumSum);
    if (!gathers) break;
    of = of->in[0];
  }
  return of->is(Op::Softmax);
}

bool subtracts_input(const Node* node) {
  if (!node->is(Op::Sub)) return false;
  const Node *a = adjusted_from(node->in[0]), *b = adjusted_from(node->in[1]);
  return (is_float_input(a) || is_float_input(b)) && !a->is(Op::Constant) && !b->is(Op::Constant);
}

bool normalizes_any(const Node* node) {
  constexpr double kLeastUsual = 1e-13;
  if (!node->is(Op::LayerNorm) && !node->is(Op::RmsNorm)) return false;
  const double eps = node->float_attr("eps");  // 0 is what f16 models have of a small one
  return (eps > 0 && eps < kLeastUsual) || is_float_input(adjusted_from(node->in[0]));
}

const Node* squared_by(const Node* node) {
  if (node->is(Op::Mul) && node->in[0] == node->in[1]) return node->in[0];
  return node->is(Op::Pow) && splat(node->in[1]) == 2.0 ? node->in[0] : nullptr;
}

const Node* behind_factors(const Node* node) {
  for (int i = 0; i < kFarthest && !squared_by(node); ++i) {
    if (is_view(node)) {
      node = node->in[0];
    } else if (node->is(Op::Mul) || node->is(Op::Div)) {
      const bool second = node->is(Op::Mul) && (splat(node->in[0]) || squared_by(node->in[1]));
      node = node->in[second ? 1 : 0];
    } else {
      return node;
    }
  }
  return node;
}

}  // namespace tessera
