// SPDX-License-Identifier: Apache-2.0
// Rules of ops that compute element by element.
#include <cmath>

#include "passes/match.h"
#include "passes/value_site.h"
#include "support/half.h"

namespace tessera {
namespace {

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

// Known to be so far from 0 that an activation beside it is not what the result is.
bool far(const ValueRange& range, double limit) {
  return !range.activation && range.largest() > limit;
}

ValueRange negative(ValueRange range) {
  set_ends(range, -ends(range));
  return range;
}

ValueRange squared(const ValueRange& of) {
  ValueRange range = of;
  set_ends(range, square(ends(of)));
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

// A number that users choose, as a temperature, or a power of one.
bool is_chosen(const ValueRange& range) {
  return range.given || (!range.activation && !std::isfinite(range.largest()));
}

// Bounded, and not near 0: over something small, it is large.
bool is_number(const ValueRange& range) {
  return !range.activation && is_away_from_zero(ends(range)) && std::isfinite(range.largest());
}

// The divisor d if the value is factors times 1/d or 1/sqrt(d); otherwise null.
const Node* reciprocal_of(const ValueSite& at, const Node* node) {
  for (int i = 0; i < kFarthest; ++i) {
    if (is_view(node) || node->is(Op::Sqrt) || node->is(Op::Slice)) {
      node = node->in[0];
    } else if (node->is(Op::Div) && is_number(at.known.at(node->in[0]))) {
      return node->in[1];
    } else if (node->is(Op::Pow) && splat(node->in[1]).value_or(0) < 0) {
      return node->in[0];
    } else if (node->is(Op::Mul)) {
      Node* constant = behind_views(node->in[0]);
      node = node->in[constant->is(Op::Constant) ? 1 : 0];
    } else {
      return nullptr;
    }
  }
  return nullptr;
}

// Whether operand i is a reciprocal that the other one is divided by: the quotient is what training
// has kept moderate, where users do not choose the divisor.
bool divides(const ValueSite& at, size_t i) {
  if (at.operand(i).activation || fits_half(at.operand(i))) return false;
  const Node* divisor = reciprocal_of(at, at.node.in[i]);
  return divisor && !is_chosen(at.known.at(divisor)) && at.operand(1 - i).activation;
}

}  // namespace

namespace value_rules {

// The range of a value that is one of the two.
ValueRange hull(const ValueRange& a, const ValueRange& b) {
  const Interval both = tessera::hull(ends(a), ends(b));
  return {.lo = both.low,
          .hi = both.high,
          .step = common_step(a.step, b.step),
          .given = a.given && b.given,
          .activation = (a.activation || b.activation) && !far(a, kMaxHalf) && !far(b, kMaxHalf),
          .added = std::max(a.added, b.added),
          .power = std::max(a.power, b.power)};
}

ValueRange input(const ValueSite& at) {
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
  if (const auto is = at.declared.find(at.node.name); is != at.declared.end())
    set_ends(range, is->second);
  return range;
}

// An activation stays one where a moderate number is added to it.
ValueRange add(const ValueRange& a, const ValueRange& b) {
  ValueRange range = hull(a, b);
  set_ends(range, ends(a) + ends(b));
  range.activation = range.activation && !far(a, kMaxHalf / 2) && !far(b, kMaxHalf / 2);
  return range;
}

ValueRange sub(const ValueSite& at) {
  ValueRange range = add(at.operand(0), negative(at.operand(1)));
  const Node* taken = behind_views(at.node.in[1]);
  if (taken->is(Op::ReduceMax) && taken->in[0] == at.node.in[0]) range.hi = 0;
  return range;
}

ValueRange mul(const ValueSite& at) {
  const ValueRange &a = at.operand(0), &b = at.operand(1);
  if (at.node.in[0] == at.node.in[1]) return squared(a);
  ValueRange range = hull(a, b);
  set_ends(range, ends(a) * ends(b));
  if (divides(at, 0) || divides(at, 1)) {
    range.step = 0;
    range.given = false;
    range.activation = true;
    range.added = 1;
    range.power = 1;
    return range;
  }
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

namespace {

// A divisor may be near 0, but a whole number that is not 0 is at least its step away.
ValueRange by_small(const ValueRange& a, const ValueRange& b) {
  if (b.step > 0) {
    const double most = a.largest() / b.step;
    return {.lo = -most,
            .hi = most,
            .activation = a.activation,
            .added = a.added / b.step,
            .power = a.power};
  }
  const bool plain = a.activation && a.added == 1 && a.power == 1;
  if (!is_number(a))
    return {.activation = true, .added = plain && is_chosen(b) ? ValueRange::kInfinite : 1};
  return {.lo = a.lo > 0 && b.lo >= 0 ? 0 : -ValueRange::kInfinite};
}

}  // namespace

// The quotient by a computed number is an activation, as a mean or a normalized value is. By a
// number that users choose, what was not a sum may become as large as they like, and so may the
// reciprocal of any.
ValueRange div(const ValueSite& at) {
  const ValueRange &a = at.operand(0), &b = at.operand(1);
  if (!is_away_from_zero(ends(b))) return by_small(a, b);
  const Interval quotient = ends(a) / ends(b);
  if (std::isnan(quotient.low) || std::isnan(quotient.high)) return trained();
  ValueRange range = hull(a, b);
  range.step = 0;
  range.given = false;
  set_ends(range, quotient);
  range.activation = a.activation || b.activation;
  if (const std::optional<double> number = splat(at.node.in[1]))
    return scaled(range, 1 / std::abs(*number));
  range.activation = !is_number(a);
  range.added = 1;
  range.power = 1;
  return range;
}

ValueRange root(ValueRange range) {
  set_ends(range, mapped(ends(range), [](double x) { return std::sqrt(std::max(0.0, x)); }));
  range.step = 0;
  range.given = false;
  range.added = std::sqrt(range.added);
  range.power = std::max(1, range.power / 2);
  return range;
}

ValueRange pow(const ValueSite& at) {
  const ValueRange& base = at.operand(0);
  const std::optional<double> exponent = splat(at.node.in[1]);
  if (!exponent) return trained();
  if (*exponent == 1) return base;
  if (*exponent == 2) return squared(base);
  if (*exponent == 0.5) return root(base);
  ValueRange range{.activation = base.activation && *exponent > 0};
  if (*exponent > 1) {
    range.power = static_cast<int>(std::min<double>(std::ceil(base.power * *exponent), kMostPower));
    range.added = std::pow(base.added, *exponent);
  }
  if (base.lo >= 0) {
    range.lo = std::pow(base.lo, *exponent);
    range.hi = std::pow(base.hi, *exponent);
    if (*exponent < 0) std::swap(range.lo, range.hi);
  }
  return range;
}

ValueRange larger(const ValueSite& at) {
  ValueRange range = hull(at.operand(0), at.operand(1));
  set_ends(range, max(ends(at.operand(0)), ends(at.operand(1))));
  return range;
}

ValueRange smaller(const ValueSite& at) {
  ValueRange range = hull(at.operand(0), at.operand(1));
  set_ends(range, min(ends(at.operand(0)), ends(at.operand(1))));
  return range;
}

ValueRange abs(const ValueSite& at) {
  ValueRange range = at.operand(0);
  set_ends(range, tessera::abs(ends(range)));
  return range;
}

// An exponential too small for f16 counts as 0 next to others.
ValueRange exp(const ValueSite& at) {
  Interval range = mapped(ends(at.operand(0)), [](double x) { return std::exp(x); });
  if (range.low < kLeastHalf) range.low = 0;
  return between(range);
}

ValueRange log(const ValueSite& at) {
  const ValueRange& of = at.operand(0);
  if (of.lo <= 0) return trained();
  return between(mapped(ends(of), [](double x) { return std::log(x); }));
}

ValueRange whole(const ValueSite& at, double (*round)(double)) {
  ValueRange range = at.operand(0);
  set_ends(range, mapped(ends(range), round));
  range.step = std::max(range.step, 1.0);
  return range;
}

ValueRange cast(const ValueSite& at) {
  if (at.node.type.dtype == DType::Bool) return truth(at.operand(0).given);
  ValueRange range = at.operand(0);
  if (at.node.type.dtype != DType::I32) return range;
  range = whole(at, std::trunc);
  range.activation = false;
  return range;
}

}  // namespace value_rules
}  // namespace tessera
