// SPDX-License-Identifier: Apache-2.0
#include "support/fp8.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tessera {

uint8_t to_fp8(DType fp8, double value) {
  if (std::isnan(value)) return kFp8NaN;
  const Fp8Format is = fp8_format(fp8);
  const double size = std::min<double>(std::abs(value), is.largest);
  // The exponent of the number's last bit; all subnormals share the smallest normal number's.
  const int least = 1 - is.bias;
  const int exponent = size == 0 ? least : std::max(std::ilogb(size), least);
  const auto last_bits =
      static_cast<int>(std::nearbyint(std::ldexp(size, is.fraction_bits - exponent)));
  // With the hidden bit that a normal number has: where it carried, or is missing, the sum is
  // right.
  const int code = last_bits + ((exponent - least) << is.fraction_bits);
  return static_cast<uint8_t>(code != 0 && std::signbit(value) ? code | 0x80 : code);
}

float from_fp8(DType fp8, uint8_t code) {
  if (code == kFp8NaN) return std::numeric_limits<float>::quiet_NaN();
  const Fp8Format is = fp8_format(fp8);
  const int size = code & 0x7f, exponent = size >> is.fraction_bits;
  const int hidden = exponent > 0 ? 1 << is.fraction_bits : 0;
  const int bits = (size & ((1 << is.fraction_bits) - 1)) | hidden;
  const float value =
      std::ldexp(static_cast<float>(bits), std::max(exponent, 1) - is.bias - is.fraction_bits);
  return (code & 0x80) != 0 ? -value : value;
}

}  // namespace tessera
