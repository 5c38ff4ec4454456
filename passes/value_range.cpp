// SPDX-License-Identifier: Apache-2.0
#include "passes/value_range.h"

#include <cmath>

#include "passes/fp32_ops.h"
#include "passes/matmul_range.h"
#include "passes/scales.h"
#include "passes/tensor_range.h"
#include "passes/value_site.h"

namespace tessera {
namespace {

// Every op by name: a new one does not compile without its rule.
ValueRange range_of(const ValueSite& at) {
  switch (at.node.op) {
    case Op::Input: return value_rules::input(at);
    case Op::Constant: return range_of(at.node.value);
    case Op::Add: return value_rules::add(at.operand(0), at.operand(1));
    case Op::Sub: return value_rules::sub(at);
    case Op::Mul:
      if (is_scaled_product(&at.node)) return trained();
      return value_rules::mul(at);
    case Op::Div: return value_rules::div(at);
    case Op::Pow: return value_rules::pow(at);
    case Op::Max: return value_rules::larger(at);
    case Op::Min: return value_rules::smaller(at);
    case Op::Equal:
    case Op::Less:
    case Op::And:
    case Op::Not: return truth(at.all_given());
    case Op::Abs: return value_rules::abs(at);
    case Op::Exp: return value_rules::exp(at);
    case Op::Log: return value_rules::log(at);
    case Op::Sqrt: return value_rules::root(at.operand(0));
    case Op::Floor: return value_rules::whole(at, std::floor);
    case Op::Round: return value_rules::whole(at, std::nearbyint);
    case Op::Erf:
    case Op::ErfV2:
    case Op::Tanh:
    case Op::Sin:
    case Op::Cos: return between({-1, 1});
    case Op::Select: return value_rules::hull(at.operand(1), at.operand(2));
    case Op::Cast: return value_rules::cast(at);
    case Op::Broadcast:
    case Op::Reshape:
    case Op::Transpose:
    case Op::Slice:
    case Op::ReduceMax:
    case Op::Gather: return at.operand(0);
    case Op::Concat: return value_rules::concat(at);
    case Op::MatMul:
      return range_of_matmul(at.node, at.operand(0), at.operand(1), at.scores.contains(&at.node));
    case Op::ReduceSum: return value_rules::reduce_sum(at);
    case Op::CumSum: return value_rules::cumsum(at);
    case Op::Softmax: return between({0, 1});
    case Op::Gelu: return value_rules::gelu(at);
    case Op::LayerNorm:
    case Op::RmsNorm: return value_rules::norm(at);
    case Op::Rotary: return value_rules::rotary(at);
    case Op::Attention: return value_rules::attention(at);
    case Op::ScaledCast:
    case Op::MatMulFp8:
    case Op::Dequantize: return trained();
    case Op::Quantize: return between(interval_of(at.node.type.dtype));
    case Op::MatMulInteger:
    case Op::RowEnds:
    case Op::SegmentMax: return {};
    case Op::Pack:
    case Op::Unpack: return value_rules::with_zero(at.operand(0));
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
