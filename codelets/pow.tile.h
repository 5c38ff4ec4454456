// SPDX-License-Identifier: Apache-2.0
// pow on sixteen lanes, as C defines it, special values included.
//
// |x|^y is 2^(y log2 |x|) in doubles: their 29 spare bits keep the product exact enough for every y
// that leaves the result in a float's range, so that whole powers of whole numbers come out whole.
// Sums, products and quotients only: the same bits on every host.
#pragma once

#include "codelets/vector.tile.h"

namespace tessera {

using d16 = double __attribute__((ext_vector_type(16)));
using l16 = long __attribute__((ext_vector_type(16)));

// log2 of positive finite values that are normal as doubles, to 2^-48.
TILE_INLINE d16 log2_of_normal(d16 x) {
  l16 bits = __builtin_bit_cast(l16, x);
  l16 exponent = ((bits >> 52) & 0x7ff) - 1023;
  bits = (bits & 0xfffffffffffff) | 0x3ff0000000000000;
  d16 m = __builtin_bit_cast(d16, bits);  // 1 .. 2, then 0.7 .. 1.4 so that log2 m is small
  const l16 large = m > 1.4142135623730951;
  m = large ? m * 0.5 : m;
  exponent -= large;  // a true lane is -1
  const d16 s = (m - 1.0) / (m + 1.0);
  const d16 square = s * s;
  // atanh s = s + s^3/3 + s^5/5 + …
  d16 sum = d16(1.0 / 19.0);
  for (int n = 17; n >= 1; n -= 2) sum = sum * square + 1.0 / n;
  return __builtin_convertvector(exponent, d16) + sum * s * 2.8853900817779268;  // 2 / ln 2
}

// exp2 of values within -300 .. 300, to 2^-48.
TILE_INLINE d16 exp2_of_small(d16 x) {
  constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to a whole number
  const d16 n = (x + kRound) - kRound;
  const d16 r = (x - n) * 0.69314718055994531;
  d16 sum = d16(1.0);
  for (int k = 13; k >= 1; --k) sum = sum * (r * (1.0 / k)) + 1.0;
  const l16 exponent = __builtin_convertvector(n, l16) + 1023;
  return sum * __builtin_bit_cast(d16, exponent << 52);
}

TILE_INLINE v16 pow(v16 x, v16 y) {
  const v16 size = __builtin_elementwise_abs(x);
  const i16 whole = __builtin_elementwise_floor(y) == y;
  const v16 half = y * 0.5f;
  const i16 odd = whole & (__builtin_elementwise_floor(half) != half);
  const i16 negative = __builtin_bit_cast(i16, x) < 0;

  const i16 normal = (size > 0.0f) & (size < __builtin_inff());
  const d16 base = __builtin_convertvector(normal ? size : splat(1.0f), d16);
  d16 power = __builtin_convertvector(y, d16) * log2_of_normal(base);
  power = power < -300.0 ? d16(-300.0) : power;
  power = power > 300.0 ? d16(300.0) : power;  // NaN passes both, and is dealt with below
  power = power == power ? power : d16(0.0);
  v16 result = __builtin_convertvector(exp2_of_small(power), v16);

  const i16 grows = (size > 1.0f) == (y > 0.0f);
  result = normal ? result : (grows ? splat(__builtin_inff()) : splat(0.0f));
  result = (negative & odd) ? -result : result;
  const v16 nan = splat(__builtin_nanf(""));
  result = (negative & normal & ~whole) ? nan : result;
  result = ((x != x) | (y != y)) ? nan : result;
  const i16 one = (y == 0.0f) | (x == 1.0f) | ((x == -1.0f) & (y == y + y));  // -1 to ±infinity
  return one ? splat(1.0f) : result;
}

}  // namespace tessera
