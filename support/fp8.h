// SPDX-License-Identifier: Apache-2.0
// Floats of 8 bits, as Poplar's quarter has them: F143 is one bit of sign, 4 of exponent with bias
// 8 and 3 of fraction, F152 one of sign, 5 of exponent with bias 16 and 2 of fraction. Subnormals
// are numbers. There is no infinity and no -0: its code, 0x80, is the one NaN. PyTorch calls the
// same formats float8_e4m3fnuz and float8_e5m2fnuz.
#pragma once

#include <cstdint>

#include "support/type.h"

namespace tessera {

struct Fp8Format {
  int fraction_bits;
  int bias;
  float largest;  // 240 and 57344
};
constexpr Fp8Format fp8_format(DType fp8) {
  return fp8 == DType::F143 ? Fp8Format{3, 8, 240.0f} : Fp8Format{2, 16, 57344.0f};
}
inline constexpr uint8_t kFp8NaN = 0x80;

// Powers of two that a tensor's numbers may be scaled by: those that Poplar's metadata holds.
inline constexpr int64_t kLeastFp8Scale = -32, kMostFp8Scale = 31;

// To the nearest, of two as near the one whose last bit is 0, in one rounding. A number beyond the
// largest, infinity too, becomes the largest of its sign; one that rounds to 0 is 0 without a
// sign; NaN is NaN. `fp8` is F143 or F152.
uint8_t to_fp8(DType fp8, double value);
// Exact.
float from_fp8(DType fp8, uint8_t code);

}  // namespace tessera
