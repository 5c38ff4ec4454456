// SPDX-License-Identifier: Apache-2.0
// Rules of ops that make one number of many.
#include <cmath>

#include "passes/value_site.h"
#include "support/half.h"

namespace tessera {
namespace {

ValueRange sum(ValueRange range, int64_t count) {
  const auto number = static_cast<double>(count);
  set_ends(range, ends(range) * Interval{number, number});
  range.added *= std::max(1.0, number);
  return range;
}

}  // namespace

namespace value_rules {

ValueRange concat(const ValueSite& at) {
  ValueRange range = at.operand(0);
  for (size_t i = 1; i < at.node.in.size(); ++i) range = hull(range, at.operand(i));
  return range;
}

ValueRange with_zero(ValueRange range) {
  set_ends(range, tessera::hull(ends(range), {0, 0}));
  return range;
}

ValueRange reduce_sum(const ValueSite& at) {
  const int64_t results = elements(at.node.type.shape);
  const int64_t count = results == 0 ? 0 : elements(at.node.in[0]->type.shape) / results;
  return sum(at.operand(0), count);
}

ValueRange cumsum(const ValueSite& at) {
  const auto axis = static_cast<size_t>(at.node.int_attr("axis"));
  return hull(at.operand(0), sum(at.operand(0), at.node.type.shape[axis]));
}

// Normalized numbers of a row of n are within √n.
ValueRange norm(const ValueSite& at) {
  const auto n = static_cast<double>(at.node.type.shape.back());
  double most = std::sqrt(n) * at.operand(1).largest();
  if (at.node.in.size() > 2) most += at.operand(2).largest();
  ValueRange range = trained();
  range.lo = -most;
  range.hi = most;
  return range;
}

ValueRange rotary(const ValueSite& at) {
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

ValueRange gelu(const ValueSite& at) {
  ValueRange range = at.operand(0);
  range.lo = -0.2;
  range.hi = std::max(0.0, range.hi);
  range.step = 0;
  range.given = false;
  return range;
}

// A mean of values, by weights that add up to 1; 0 where no key is seen.
ValueRange attention(const ValueSite& at) {
  ValueRange range = with_zero(at.operand(2));
  range.step = 0;
  range.given = false;
  range.activation = true;
  return range;
}

}  // namespace value_rules
}  // namespace tessera
