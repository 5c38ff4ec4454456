// SPDX-License-Identifier: Apache-2.0
// Whole numbers, rounded up. Arguments are not negative, divisors positive.
#pragma once

#include <cstdint>

namespace tessera {

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
// The least multiple of `grain` that is not less than `a`.
constexpr int64_t round_up(int64_t a, int64_t grain) { return ceil_div(a, grain) * grain; }

}  // namespace tessera
