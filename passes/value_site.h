// SPDX-License-Identifier: Apache-2.0
// Each op has a rule that makes the range of its result. passes/value_range.cpp alone uses them.
#pragma once

#include <algorithm>
#include <unordered_set>

#include "passes/known_inputs.h"
#include "passes/value_range.h"
#include "support/interval.h"

namespace tessera {

// A node, and what is known of its operands.
struct ValueSite {
  const Node& node;
  const ValueRanges& known;
  const KnownInputs& inputs;
  const std::unordered_set<const Node*>& scores;  // what a softmax takes, element by element
  const NamedIntervals& declared;

  const ValueRange& operand(size_t i) const { return known.at(node.in[i]); }
  bool all_given() const {
    return std::ranges::all_of(node.in, [&](const Node* in) { return known.at(in).given; });
  }
};

inline Interval ends(const ValueRange& range) { return {range.lo, range.hi}; }
inline void set_ends(ValueRange& range, const Interval& to) {
  range.lo = to.low;
  range.hi = to.high;
}
inline ValueRange between(const Interval& ends) { return {.lo = ends.low, .hi = ends.high}; }
inline ValueRange trained() { return {.activation = true}; }
inline ValueRange truth(bool given) { return {.lo = 0, .hi = 1, .step = 1, .given = given}; }

namespace value_rules {

// value_rules.cpp
ValueRange input(const ValueSite& at);
ValueRange hull(const ValueRange& a, const ValueRange& b);  // of a choice between them
ValueRange add(const ValueRange& a, const ValueRange& b);
ValueRange sub(const ValueSite& at);
ValueRange mul(const ValueSite& at);
ValueRange div(const ValueSite& at);
ValueRange root(ValueRange range);
ValueRange pow(const ValueSite& at);
ValueRange larger(const ValueSite& at);
ValueRange smaller(const ValueSite& at);
ValueRange abs(const ValueSite& at);
ValueRange exp(const ValueSite& at);
ValueRange log(const ValueSite& at);
ValueRange whole(const ValueSite& at, double (*round)(double));
ValueRange cast(const ValueSite& at);

// value_rules_of_sums.cpp
ValueRange concat(const ValueSite& at);
ValueRange with_zero(ValueRange range);
ValueRange reduce_sum(const ValueSite& at);
ValueRange cumsum(const ValueSite& at);
ValueRange norm(const ValueSite& at);
ValueRange rotary(const ValueSite& at);
ValueRange gelu(const ValueSite& at);
ValueRange attention(const ValueSite& at);

}  // namespace value_rules
}  // namespace tessera
