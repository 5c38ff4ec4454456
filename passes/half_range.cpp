// SPDX-License-Identifier: Apache-2.0
// Whether f16 holds what a value may hold.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "passes/value_range.h"
#include "support/half.h"

namespace tessera {

double ValueRange::largest() const { return std::max(std::abs(lo), std::abs(hi)); }

bool exact_in_half(const ValueRange& range) {
  constexpr double kCounted = 2048;  // 11 bits
  if (range.step == 0 || !(range.largest() <= kMaxHalf)) return false;
  double odd = range.step;
  while (odd > 1 && std::fmod(odd, 2) == 0) odd /= 2;
  return range.largest() / range.step * odd <= kCounted;
}

bool may_vanish(const ValueRange& range) {
  if (range.activation && range.added < kLeastHalf) return true;
  if (range.lo > 0 || range.hi < 0)
    return std::min(std::abs(range.lo), std::abs(range.hi)) < kLeastHalf;
  return range.largest() != 0 && range.largest() < kLeastHalf;
}

bool fits_half(const ValueRange& range) {
  if (may_vanish(range)) return false;
  if (range.step != 0 && !range.activation) return exact_in_half(range);
  if (range.largest() <= kMaxHalf) return true;
  constexpr double kOne = 1.01;  // a mean's quotient is rounded
  constexpr int kTrusted = 2;    // a product of two is to meet weights, as that of a gate does
  const bool moderate = range.added <= (range.power == 1 ? kFewActivations : kOne);
  return range.activation && moderate && range.power <= kTrusted;
}

bool is_wide_product(const ValueRange& range) {
  return range.activation && range.power > 1 && range.largest() > kMaxHalf;
}

std::string to_string(const ValueRange& range) {
  if (range.lo == range.hi) return fmt::format("{:g}", range.lo);
  if (std::isfinite(range.largest()))
    return fmt::format("{:g}..{:g}{}", range.lo, range.hi, range.step >= 1 ? ", whole" : "");
  if (!range.activation) return "numbers of any size";
  const char* what = range.power > 1 ? "products of activations" : "activations";
  if (range.added > 1) return fmt::format("up to {:g} {}", range.added, what);
  return range.added < 1 ? fmt::format("activations times {:g}", range.added)
                         : fmt::format("any {}", what);
}

}  // namespace tessera
