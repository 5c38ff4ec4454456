// SPDX-License-Identifier: Apache-2.0
#include "passes/value_range.h"

#include <cmath>

#include "passes/fp32_ops.h"
#include "passes/matmul_range.h"
#include "passes/op_rules.h"
#include "passes/scales.h"
#include "passes/tensor_range.h"
#include "passes/value_site.h"

namespace tessera {
namespace {

ValueRange range_of(const ValueSite& at) {
  switch (rule_of_values(at.node.op)) {
    case ValueRule::Input: return value_rules::input(at);
    case ValueRule::Constant: return range_of(at.node.value);
    case ValueRule::Unknown: return {};
    case ValueRule::Trained: return trained();
    case ValueRule::Truth:
    case ValueRule::And: return truth(at.all_given());
    case ValueRule::Bytes: return between(interval_of(at.node.type.dtype));
    case ValueRule::Curve:
    case ValueRule::Wave: return between({-1, 1});
    case ValueRule::Share: return between({0, 1});
    case ValueRule::Moved: return at.operand(0);
    case ValueRule::OrZero: return value_rules::with_zero(at.operand(0));
    case ValueRule::Add: return value_rules::add(at.operand(0), at.operand(1));
    case ValueRule::Sub: return value_rules::sub(at);
    case ValueRule::Mul:
      if (is_scaled_product(&at.node)) return trained();
      return value_rules::mul(at);
    case ValueRule::Div: return value_rules::div(at);
    case ValueRule::Pow: return value_rules::pow(at);
    case ValueRule::Max: return value_rules::larger(at);
    case ValueRule::Min: return value_rules::smaller(at);
    case ValueRule::Abs: return value_rules::abs(at);
    case ValueRule::Exp: return value_rules::exp(at);
    case ValueRule::Log: return value_rules::log(at);
    case ValueRule::Sqrt: return value_rules::root(at.operand(0));
    case ValueRule::Floor: return value_rules::whole(at, std::floor);
    case ValueRule::Round: return value_rules::whole(at, std::nearbyint);
    case ValueRule::Select: return value_rules::hull(at.operand(1), at.operand(2));
    case ValueRule::Cast: return value_rules::cast(at);
    case ValueRule::Concat: return value_rules::concat(at);
    case ValueRule::MatMul:
      return range_of_matmul(at.node, at.operand(0), at.operand(1), at.scores.contains(&at.node));
    case ValueRule::Sum: return value_rules::reduce_sum(at);
    case ValueRule::CumSum: return value_rules::cumsum(at);
    case ValueRule::Gelu: return value_rules::gelu(at);
    case ValueRule::Norm: return value_rules::norm(at);
    case ValueRule::Rotary: return value_rules::rotary(at);
    case ValueRule::Attention: return value_rules::attention(at);
  }
  return {};
}

// i32 has ends of its own, and no activations.
ValueRange as_typed(ValueRange range, DType dtype) {
  if (std::isnan(range.lo)) range.lo = -ValueRange::kInfinite;
  if (std::isnan(range.hi)) range.hi = ValueRange::kInfinite;
  if (std::isnan(range.added)) range.added = ValueRange::kInfinite;
  if (dtype != DType::I32) return range;
  range.lo = std::max(range.lo, double{INT32_MIN});
  range.hi = std::min(range.hi, double{INT32_MAX});
  range.step = std::max(range.step, 1.0);
  range.activation = false;
  return range;
}

// The operands of softmaxes, and the values that make these element by element.
std::unordered_set<const Node*> find_scores(const Graph& graph) {
  std::unordered_set<const Node*> scores;
  for (auto node = graph.nodes().rbegin(); node != graph.nodes().rend(); ++node) {
    const Node* of = node->get();
    const bool hands_on = scores.contains(of) && (computes(of) || moves(of));
    if (of->is(Op::Softmax) || hands_on) scores.insert(of->in.begin(), of->in.end());
  }
  return scores;
}

}  // namespace

ValueRanges find_ranges(const Graph& graph, const NamedIntervals& declared) {
  const KnownInputs inputs = known_inputs(graph);
  const std::unordered_set<const Node*> scores = find_scores(graph);
  ValueRanges known;
  for (const auto& node : graph.nodes())
    known[node.get()] =
        as_typed(range_of({*node, known, inputs, scores, declared}), node->type.dtype);
  return known;
}

}  // namespace tessera
