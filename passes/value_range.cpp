// SPDX-License-Identifier: Apache-2.0
#include "passes/value_range.h"

#include <algorithm>
#include <cmath>

#include "passes/known_inputs.h"
#include "passes/match.h"
#include "passes/matmul_range.h"
#include "passes/tensor_range.h"
#include "support/half.h"
#include "support/interval.h"

namespace tessera {
namespace {

constexpr double kInfinite = ValueRange::kInfinite;
constexpr int kMostPower = 16;

ValueRange between(double lo, double hi) { return {.lo = lo, .hi = hi}; }
ValueRange trained() { return {.activation = true}; }
ValueRange truth(bool given) { return {.lo = 0, .hi = 1, .step = 1, .given = given}; }

// A number that f16 does not hold, so that it makes something else of an activation.
bool extreme(double magnitude) {
  return magnitude > kMaxHalf || (magnitude != 0 && magnitude < kLeastHalf);
}

// The greatest number of which both are multiples.
double common_step(double a, double b) {
  if (a == 0 || b == 0) return 0;
  for (int i = 0; b != 0 && i < kFarthest; ++i) {
    const double rest = std::fmod(a, b);
    a = b;
    b = rest;
  }
  return b == 0 ? a : 0;
}

Interval ends(const ValueRange& range) { return {range.lo, range.hi}; }
void set_ends(ValueRange& range, const Interval& to) {
  range.lo = to.low;
  range.hi = to.high;
}

// A node, and what is known of its operands.
struct Site {
  const Node& node;
  const ValueRanges& known;
  const KnownInputs& inputs;

  const ValueRange& operand(size_t i) const { return known.at(node.in[i]); }
  bool all_given() const {
    return std::ranges::all_of(node.in, [&](const Node* in) { return known.at(in).given; });
  }
};

namespace rules {

// Known to be so far from 0 that an activation beside it is not what the result is.
bool far(const ValueRange& range, double limit) {
  return !range.activation && range.largest() > limit;
}

// What holds of either holds of a choice between them.
ValueRange hull(const ValueRange& a, const ValueRange& b) {
  return {.lo = std::min(a.lo, b.lo),
          .hi = std::max(a.hi, b.hi),
          .step = common_step(a.step, b.step),
          .given = a.given && b.given,
          .activation = (a.activation || b.activation) && !far(a, kMaxHalf) && !far(b, kMaxHalf),
          .added = std::max(a.added, b.added),
          .power = std::max(a.power, b.power)};
}

ValueRange input(const Site& at) {
  const DType dtype = at.node.type.dtype;
  if (dtype == DType::Bool) return truth(true);
  ValueRange range{.given = true, .activation = is_float(dtype)};
  if (dtype != DType::I32) return range;
  range.step = 1;
  if (const auto limit = at.inputs.limits.find(&at.node); limit != at.inputs.limits.end()) {
    range.lo = 0;
    range.hi = static_cast<double>(limit->second - 1);
  }
  if (at.inputs.masks.contains(&at.node)) return truth(true);
  return range;
}

// An activation stays one where a moderate number is added to it.
ValueRange add(const ValueRange& a, const ValueRange& b) {
  ValueRange range = hull(a, b);
  set_ends(range, ends(a) + ends(b));
  range.activation = range.activation && !far(a, kMaxHalf / 2) && !far(b, kMaxHalf / 2);
  return range;
}

ValueRange negative(ValueRange range) {
  set_ends(range, -ends(range));
  return range;
}

ValueRange sub(const Site& at) {
  ValueRange range = add(at.operand(0), negative(at.operand(1)));
  const Node* taken = behind_views(at.node.in[1]);
  if (taken->is(Op::ReduceMax) && taken->in[0] == at.node.in[0]) range.hi = 0;
  return range;
}

ValueRange square(const ValueRange& of) {
  ValueRange range = of;
  set_ends(range, tessera::square(ends(of)));
  range.step = of.step * of.step;
  range.added = of.added * of.added;
  range.power = std::min(of.power * 2, kMostPower);
  return range;
}

// Times a number: a large one counts as a sum of as many, so that factors add up along a chain. A
// small one matters to sums that a mean is made of, and where f16 does not hold it.
ValueRange scaled(ValueRange range, double by) {
  if (range.added != 1 || range.power != 1 || by > 1 || extreme(by)) range.added *= by;
  return range;
}

ValueRange mul(const Site& at) {
  const ValueRange &a = at.operand(0), &b = at.operand(1);
  if (at.node.in[0] == at.node.in[1]) return square(a);
  ValueRange range = hull(a, b);
  set_ends(range, ends(a) * ends(b));
  range.step = a.step * b.step;
  range.activation = a.activation || b.activation;
  if (a.activation && b.activation) {
    range.added = a.added * b.added;
    range.power = std::min(a.power + b.power, kMostPower);
  }
  if (a.activation == b.activation) return range;
  const ValueRange& number = a.activation ? b : a;
  return scaled(range, number.largest());
}

// A number that users choose, as a temperature, or a power of one.
bool is_chosen(const ValueRange& range) {
  return range.given || (!range.activation && !std::isfinite(range.largest()));
}

// The quotient by a computed number is an activation, as a mean or a normalized value is. By a
// number that users choose, what was not a sum may become as large as they like.
ValueRange div(const Site& at) {
  const ValueRange &a = at.operand(0), &b = at.operand(1);
  const std::optional<double> number = splat(at.node.in[1]);
  if (!is_away_from_zero(ends(b))) {
    const bool plain = a.activation && a.added == 1 && a.power == 1;
    return {.activation = true, .added = plain && is_chosen(b) ? kInfinite : 1};
  }
  const Interval quotient = ends(a) / ends(b);
  if (std::isnan(quotient.low) || std::isnan(quotient.high)) return trained();
  ValueRange range = hull(a, b);
  range.step = 0;
  range.given = false;
  set_ends(range, quotient);
  range.activation = a.activation || b.activation;
  if (number) return scaled(range, 1 / std::abs(*number));
  range.activation = true;
  range.added = 1;
  range.power = 1;
  return range;
}

ValueRange root(ValueRange range) {
  range.lo = std::sqrt(std::max(0.0, range.lo));
  range.hi = std::sqrt(std::max(0.0, range.hi));
  range.step = 0;
  range.given = false;
  range.added = std::sqrt(range.added);
  range.power = std::max(1, range.power / 2);
  return range;
}

ValueRange pow(const Site& at) {
  const ValueRange& base = at.operand(0);
  const std::optional<double> exponent = splat(at.node.in[1]);
  if (!exponent) return trained();
  if (*exponent == 1) return base;
  if (*exponent == 2) return square(base);
  if (*exponent == 0.5) return root(base);
  ValueRange range{.activation = base.activation};
  if (*exponent > 1) range.power = std::min(base.power + 1, kMostPower);
  if (base.lo >= 0) {
    range.lo = std::pow(base.lo, *exponent);
    range.hi = std::pow(base.hi, *exponent);
    if (*exponent < 0) std::swap(range.lo, range.hi);
  }
  if (*exponent < 0 && base.lo <= 0) range.activation = true;
  return range;
}

ValueRange larger(const Site& at) {
  ValueRange range = hull(at.operand(0), at.operand(1));
  range.lo = std::max(at.operand(0).lo, at.operand(1).lo);
  return range;
}

ValueRange smaller(const Site& at) {
  ValueRange range = hull(at.operand(0), at.operand(1));
  range.hi = std::min(at.operand(0).hi, at.operand(1).hi);
  return range;
}

ValueRange abs(const Site& at) {
  ValueRange range = at.operand(0);
  range.hi = range.largest();
  range.lo = range.lo > 0 ? range.lo : 0;
  return range;
}

// What is too small for f16 counts as 0 next to other exponentials.
ValueRange exp(const Site& at) {
  const double least = std::exp(at.operand(0).lo);
  return between(least < kLeastHalf ? 0 : least, std::exp(at.operand(0).hi));
}

ValueRange log(const Site& at) {
  const ValueRange& of = at.operand(0);
  if (of.lo <= 0) return trained();
  return between(std::log(of.lo), std::log(of.hi));
}

ValueRange whole(const Site& at, double (*round)(double)) {
  ValueRange range = at.operand(0);
  range.lo = round(range.lo);
  range.hi = round(range.hi);
  range.step = std::max(range.step, 1.0);
  return range;
}

ValueRange cast(const Site& at) {
  if (at.node.type.dtype == DType::Bool) return truth(at.operand(0).given);
  ValueRange range = at.operand(0);
  if (at.node.type.dtype != DType::I32) return range;
  range = whole(at, std::trunc);
  range.activation = false;
  return range;
}

ValueRange concat(const Site& at) {
  ValueRange range = at.operand(0);
  for (size_t i = 1; i < at.node.in.size(); ++i) range = hull(range, at.operand(i));
  return range;
}

ValueRange with_zero(ValueRange range) {
  range.lo = std::min(range.lo, 0.0);
  range.hi = std::max(range.hi, 0.0);
  return range;
}

ValueRange sum(ValueRange range, int64_t count) {
  const auto number = static_cast<double>(count);
  set_ends(range, ends(range) * Interval{number, number});
  range.added *= std::max(1.0, number);
  return range;
}

ValueRange reduce_sum(const Site& at) {
  const int64_t results = elements(at.node.type.shape);
  const int64_t count = results == 0 ? 0 : elements(at.node.in[0]->type.shape) / results;
  return sum(at.operand(0), count);
}

ValueRange cumsum(const Site& at) {
  const auto axis = static_cast<size_t>(at.node.int_attr("axis"));
  return hull(at.operand(0), sum(at.operand(0), at.node.type.shape[axis]));
}

// Normalized numbers of a row of n are within √n.
ValueRange norm(const Site& at) {
  const auto n = static_cast<double>(at.node.type.shape.back());
  double most = std::sqrt(n) * at.operand(1).largest();
  if (at.node.in.size() > 2) most += at.operand(2).largest();
  ValueRange range = trained();
  range.lo = -most;
  range.hi = most;
  return range;
}

ValueRange rotary(const Site& at) {
  const ValueRange& x = at.operand(0);
  ValueRange range = trained();
  range.added = x.added;
  range.power = x.power;
  const double most = x.largest() * (at.operand(1).largest() + at.operand(2).largest());
  if (most <= kMaxHalf) {
    range.lo = -most;
    range.hi = most;
  }
  return range;
}

ValueRange gelu(const Site& at) {
  ValueRange range = at.operand(0);
  range.lo = -0.2;
  range.hi = std::max(0.0, range.hi);
  range.step = 0;
  range.given = false;
  return range;
}

// A mean of values, by weights that add up to 1; 0 where no key is seen.
ValueRange attention(const Site& at) {
  ValueRange range = with_zero(at.operand(2));
  range.step = 0;
  range.given = false;
  range.activation = true;
  return range;
}

}  // namespace rules

// Every op by name: a new one does not compile without its rule.
ValueRange range_of(const Site& at) {
  switch (at.node.op) {
    case Op::Input: return rules::input(at);
    case Op::Constant: return range_of(at.node.value);
    case Op::Add: return rules::add(at.operand(0), at.operand(1));
    case Op::Sub: return rules::sub(at);
    case Op::Mul: return rules::mul(at);
    case Op::Div: return rules::div(at);
    case Op::Pow: return rules::pow(at);
    case Op::Max: return rules::larger(at);
    case Op::Min: return rules::smaller(at);
    case Op::Equal:
    case Op::Less:
    case Op::And:
    case Op::Not: return truth(at.all_given());
    case Op::Abs: return rules::abs(at);
    case Op::Exp: return rules::exp(at);
    case Op::Log: return rules::log(at);
    case Op::Sqrt: return rules::root(at.operand(0));
    case Op::Floor: return rules::whole(at, std::floor);
    case Op::Round: return rules::whole(at, std::nearbyint);
    case Op::Erf:
    case Op::Tanh: return between(-1, 1);
    case Op::Select: return rules::hull(at.operand(1), at.operand(2));
    case Op::Cast: return rules::cast(at);
    case Op::Broadcast:
    case Op::Reshape:
    case Op::Transpose:
    case Op::Slice:
    case Op::ReduceMax:
    case Op::Gather: return at.operand(0);
    case Op::Concat: return rules::concat(at);
    case Op::MatMul: return range_of_matmul(at.node, at.operand(0), at.operand(1));
    case Op::ReduceSum: return rules::reduce_sum(at);
    case Op::CumSum: return rules::cumsum(at);
    case Op::Softmax: return between(0, 1);
    case Op::Gelu: return rules::gelu(at);
    case Op::LayerNorm:
    case Op::RmsNorm: return rules::norm(at);
    case Op::Rotary: return rules::rotary(at);
    case Op::Attention: return rules::attention(at);
    case Op::Pack:
    case Op::Unpack: return rules::with_zero(at.operand(0));
  }
  return {};
}

// i32 has ends of its own, and no activations.
ValueRange as_typed(ValueRange range, DType dtype) {
  if (std::isnan(range.lo)) range.lo = -kInfinite;
  if (std::isnan(range.hi)) range.hi = kInfinite;
  if (std::isnan(range.added)) range.added = kInfinite;
  if (dtype != DType::I32) return range;
  range.lo = std::max(range.lo, double{INT32_MIN});
  range.hi = std::min(range.hi, double{INT32_MAX});
  range.step = std::max(range.step, 1.0);
  range.activation = false;
  return range;
}

}  // namespace

ValueRanges find_ranges(const Graph& graph) {
  const KnownInputs inputs = known_inputs(graph);
  ValueRanges known;
  for (const auto& node : graph.nodes())
    known[node.get()] = as_typed(range_of({*node, known, inputs}), node->type.dtype);
  return known;
}

}  // namespace tessera
