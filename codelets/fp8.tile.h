// SPDX-License-Identifier: Apache-2.0
// Floats of 8 bits (support/fp8.h), sixteen at a time, by sums, products and shifts alone: the same
// bits on every host.
#pragma once

#include "codelets/lane_types.tile.h"

namespace tessera {

constexpr bool is_fp8(Element element) {
  return element == Element::F143 || element == Element::F152;
}

// The numbers in which the formats differ. A float has 23 bits of fraction and a bias of 127.
struct Fp8Lanes {
  int fraction, bias, dropped;
  float least, per_one, least_normal;  // the least number, how many make 1, the least with all bits
  constexpr explicit Fp8Lanes(Element fp8)
      : fraction(fp8 == Element::F143 ? 3 : 2),
        bias(fp8 == Element::F143 ? 8 : 16),
        dropped(23 - fraction),
        least(fp8 == Element::F143 ? 0x1p-10f : 0x1p-17f),
        per_one(fp8 == Element::F143 ? 0x1p10f : 0x1p17f),
        least_normal(fp8 == Element::F143 ? 0x1p-7f : 0x1p-15f) {}
};

// The floats of codes in 0 .. 255. A normal number's bits are a float's but for the bias; a
// subnormal is a count of the least.
TILE_INLINE v16 widened(Element fp8, i16 codes) {
  const Fp8Lanes is(fp8);
  const i16 size = codes & 0x7f;
  const i16 normal = (size << is.dropped) + ((127 - is.bias) << 23);
  const v16 small = __builtin_convertvector(size, v16) * is.least;
  const v16 value = size >= (1 << is.fraction) ? __builtin_bit_cast(v16, normal) : small;
  const i16 bits = __builtin_bit_cast(i16, value) | (codes & 0x80) << 24;
  return __builtin_bit_cast(v16, codes == 0x80 ? i16(0x7fc00000) : bits);
}

// The codes of floats: to nearest even, at the largest number's end, 0x80 for NaN.
TILE_INLINE i16 narrowed(Element fp8, v16 x) {
  const Fp8Lanes is(fp8);
  const i16 bits = __builtin_bit_cast(i16, x);
  const i16 is_nan = x != x;
  const i16 size_bits = is_nan ? i16(0) : bits & 0x7fffffff;
  const v16 size = __builtin_bit_cast(v16, size_bits);
  // A normal number drops the low bits of its fraction; what carries, carries into the exponent.
  const i16 odd = (size_bits >> is.dropped) & 1;
  const i16 kept = (size_bits + ((1 << (is.dropped - 1)) - 1) + odd) >> is.dropped;
  const i16 normal = kept - ((127 - is.bias) << is.fraction);
  // A subnormal is counted: the sum with 2^23 rounds to a whole number.
  const v16 scaled = size * is.per_one;
  const v16 counted = (scaled < 0x1p22f ? scaled : splat(0.0f)) + 0x1p23f;
  const i16 small = __builtin_bit_cast(i16, counted) & 0xff;
  const i16 code = size < is.least_normal ? small : normal;
  const i16 within = code > 0x7f ? i16(0x7f) : code;
  const i16 sign = (bits < 0) & (within != 0) & 0x80;
  return is_nan ? i16(0x80) : within | sign;
}

TILE_INLINE v16 load_fp8(Element fp8, const unsigned char* from) {
  const b16 codes = *reinterpret_cast<const b16_in_memory*>(from);
  return widened(fp8, __builtin_convertvector(codes, i16));
}

TILE_INLINE void store_fp8(Element fp8, unsigned char* to, v16 value) {
  *reinterpret_cast<b16_in_memory*>(to) = __builtin_convertvector(narrowed(fp8, value), b16);
}

// To the nearest number that the format has.
TILE_INLINE v16 as_fp8(Element fp8, v16 x) { return widened(fp8, narrowed(fp8, x)); }

}  // namespace tessera
