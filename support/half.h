// SPDX-License-Identifier: Apache-2.0
// IEEE binary16, to and from float: to nearest, ties to even, subnormals kept, overflow to infinity.
#pragma once

#include <bit>
#include <cstdint>

namespace tessera {

uint16_t to_half(float value);
// From double in one rounding, not through float.
uint16_t to_half(double value);
float from_half(uint16_t bits);
inline constexpr float kMaxHalf = 65504.0f;

}  // namespace tessera
