// SPDX-License-Identifier: Apache-2.0
// exp on sixteen lanes, within 1 ulp of the real value. Only additions, products and fused
// products: the same bits on every host, which a libm does not promise.
#pragma once

#include "codelets/vector.tile.h"

namespace tessera {

// 2^n for whole n in -126 .. 127.
TILE_INLINE v16 power_of_two(i16 n) {
  const i16 bits = (n + 127) << 23;
  return __builtin_bit_cast(v16, bits);
}

// x = n ln 2 + r with |r| <= ln 2 / 2; exp(r) by its polynomial (coefficients: Cephes expf).
TILE_INLINE v16 exp(v16 x) {
  const v16 clamped = max(min(x, splat(89.0f)), splat(-104.0f));
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
  const v16 n = fma(clamped, splat(1.44269504088896341f), splat(kRound)) - kRound;
  v16 r = fma(n, splat(-0.693359375f), clamped);
  r = fma(n, splat(2.12194440e-4f), r);
  v16 p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p, r * r, r) + 1.0f;
  // In two steps, so that a subnormal result rounds once and 2^128 never appears.
  const i16 whole = __builtin_convertvector(n, i16);
  const i16 half = whole >> 1;
  const v16 result = p * power_of_two(half) * power_of_two(whole - half);
  return x == x ? result : x;
}

}  // namespace tessera
