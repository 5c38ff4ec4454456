// SPDX-License-Identifier: Apache-2.0
// IEEE binary16, to and from float: to nearest, ties to even, subnormals kept, overflow to
// infinity.
#pragma once

#include <bit>
#include <cstdint>
#include <span>

namespace tessera {

uint16_t to_half(float value);
// From double in one rounding, not through float.
uint16_t to_half(double value);
// A whole model's weights at once: the same bits as one at a time, several times as fast. Both
// spans are equally long.
void to_half(std::span<const float> from, std::span<uint16_t> to);
float from_half(uint16_t bits);
inline constexpr float kMaxHalf = 65504.0f;

}  // namespace tessera
