// SPDX-License-Identifier: Apache-2.0
// Arithmetic of intervals, for every analysis that says what values may be. Ends may be infinite.
#pragma once

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <map>
#include <string>

#include "support/type.h"

namespace tessera {

struct Interval {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();

  double largest() const { return std::max(std::abs(low), std::abs(high)); }
  bool operator==(const Interval&) const = default;
};

inline Interval interval_of(DType byte) {
  return {static_cast<double>(least_of(byte)), static_cast<double>(greatest_of(byte))};
}

// The intervals of inputs, by their names.
using NamedIntervals = std::map<std::string, Interval>;

inline Interval hull(std::initializer_list<double> ends) {
  return {std::min(ends), std::max(ends)};
}
inline Interval hull(const Interval& a, const Interval& b) {
  return {std::min(a.low, b.low), std::max(a.high, b.high)};
}

inline Interval operator-(const Interval& a) { return {-a.high, -a.low}; }
inline Interval operator+(const Interval& a, const Interval& b) {
  return {a.low + b.low, a.high + b.high};
}
inline Interval operator-(const Interval& a, const Interval& b) { return a + -b; }

// 0 times infinity is 0: an end that no element reaches.
inline double product(double a, double b) { return a == 0 || b == 0 ? 0 : a * b; }
inline Interval operator*(const Interval& a, const Interval& b) {
  return hull({product(a.low, b.low), product(a.low, b.high), product(a.high, b.low),
               product(a.high, b.high)});
}

inline bool is_away_from_zero(const Interval& a) { return a.low > 0 || a.high < 0; }
// By numbers that are away from 0. NaN where both ends are infinite.
inline Interval operator/(const Interval& a, const Interval& b) {
  return hull({a.low / b.low, a.low / b.high, a.high / b.low, a.high / b.high});
}

// The products of the numbers with themselves: never below 0.
inline Interval square(const Interval& a) {
  const double near = a.low > 0 ? a.low : std::min(a.high, 0.0);
  return {near * near, a.largest() * a.largest()};
}

inline Interval abs(const Interval& a) {
  return {is_away_from_zero(a) ? std::min(std::abs(a.low), std::abs(a.high)) : 0, a.largest()};
}
// The interval of `rising`, a function that never falls, over all of a.
template <class F>
Interval mapped(const Interval& a, F rising) {
  return {rising(a.low), rising(a.high)};
}

inline Interval max(const Interval& a, const Interval& b) {
  return {std::max(a.low, b.low), std::max(a.high, b.high)};
}
inline Interval min(const Interval& a, const Interval& b) {
  return {std::min(a.low, b.low), std::min(a.high, b.high)};
}

// Sums of 1 to n numbers.
inline Interval sums_up_to(const Interval& each, double n) {
  return {std::min(each.low, product(each.low, n)), std::max(each.high, product(each.high, n))};
}

}  // namespace tessera
