// SPDX-License-Identifier: Apache-2.0
// Functions on sixteen lanes, within 1.5 ulp of the real value over the whole range of floats, gelu
// within one of its largest term (tests/codelets/math_test.cpp). They are made of sums, products
// and fused products alone, which give the same bits on every host; a libm does not promise that.
//
// The polynomials are minimax fits, lowest coefficient first, each coefficient rounded to f32
// before the next was fitted.
#pragma once

#include "codelets/vector.tile.h"

namespace tessera {

TILE_INLINE v16 polynomial(v16, float c) { return splat(c); }
template <class... Rest>
TILE_INLINE v16 polynomial(v16 x, float c, Rest... rest) {
  return fma(polynomial(x, rest...), x, splat(c));
}

TILE_INLINE v16 absolute(v16 x) {
  return __builtin_bit_cast(v16, __builtin_bit_cast(i16, x) & 0x7fffffff);
}
TILE_INLINE v16 with_sign_of(v16 magnitude, v16 sign) {
  const i16 minus = __builtin_bit_cast(i16, sign) & static_cast<int>(0x80000000U);
  return __builtin_bit_cast(v16, __builtin_bit_cast(i16, magnitude) | minus);
}
// 2^n for whole n in -126 .. 127.
TILE_INLINE v16 power_of_two(i16 n) { return __builtin_bit_cast(v16, (n + 127) << 23); }

inline constexpr float kRoundToWhole = 12582912.0f;  // 1.5 * 2^23: adding it does
inline constexpr float kLn2High = 0.693359375f;      // ln 2 in two parts: products with the first
inline constexpr float kLn2Low = -2.12194440e-4f;    // and a whole number below 2^13 are exact

// exp(x) = 2^n p. x = n ln 2 + r with |r| <= ln 2 / 2, and p = exp(r) is a polynomial.
struct ExpParts {
  v16 p;
  v16 n;
  i16 bits;  // their lowest are those of the whole number n
};
TILE_INLINE ExpParts exp_parts(v16 x) {
  const v16 shifted = fma(x, splat(1.44269504088896341f), splat(kRoundToWhole));
  const v16 n = shifted - kRoundToWhole;
  v16 r = fma(n, splat(-kLn2High), x);
  r = fma(n, splat(-kLn2Low), r);
  v16 p = polynomial(r, 0.49999994f, 0.166665211f, 0.0416682661f, 0.0083686756f, 0.00138207444f);
  p = fma(p, r * r, r) + 1.0f;
  return {p, n, __builtin_bit_cast(i16, shifted)};
}

TILE_INLINE v16 exp(v16 x) {
  const ExpParts parts = exp_parts(max(min(x, splat(89.0f)), splat(-104.0f)));
  // In two steps, so that 2^128 and the zero of 2^-127 never appear.
  const i16 whole = __builtin_convertvector(parts.n, i16);
  const i16 half = whole >> 1;
  const v16 result = parts.p * power_of_two(half) * power_of_two(whole - half);
  return x == x ? result : x;
}

// The same bits where x is in -86 .. 88 or NaN: n goes into the exponent as it is.
TILE_INLINE v16 exp_inside(v16 x) {
  const ExpParts parts = exp_parts(x);
  return __builtin_bit_cast(v16, __builtin_bit_cast(i16, parts.p) + (parts.bits << 23));
}

// 2^x to 1e-7 of it, for x in -126 .. 127.
TILE_INLINE v16 exp2_inside(v16 x) {
  const v16 shifted = x + kRoundToWhole;
  const v16 r = x - (shifted - kRoundToWhole);
  const v16 p = polynomial(r, 1.00000012f, 0.693147302f, 0.240218759f, 0.0554995686f,
                           0.00968736317f, 0.00135637063f);
  return __builtin_bit_cast(v16,
                            __builtin_bit_cast(i16, p) + (__builtin_bit_cast(i16, shifted) << 23));
}

// x = m 2^e with m in sqrt(1/2) .. sqrt(2); log m is a polynomial in m - 1.
TILE_INLINE v16 log(v16 x) {
  const i16 bits = __builtin_bit_cast(i16, x);
  const i16 above = (bits & 0x7fffff) > 0x3504f3;  // mantissa above sqrt(2); -1 where true
  const i16 e = (bits >> 23) - 127 - above;
  const v16 m = __builtin_bit_cast(v16, (bits & 0x7fffff) + ((127 + above) << 23));
  const v16 n = __builtin_convertvector(e, v16);
  const v16 f = m - 1.0f;
  const v16 square = f * f;
  v16 y = polynomial(f, 0.333333313f, -0.250008196f, 0.200012431f, -0.166234106f, 0.142015398f,
                     -0.131595507f, 0.127624854f, -0.0763694048f);
  y = y * f * square;
  y = fma(n, splat(kLn2Low), y);
  y = fma(square, splat(-0.5f), y);
  const v16 finite = fma(n, splat(kLn2High), f + y);
  const v16 infinity = splat(__builtin_inff());
  v16 result = x == infinity ? infinity : finite;
  result = x == 0.0f ? -infinity : result;
  result = x < 0.0f ? splat(__builtin_nanf("")) : result;
  return x == x ? result : x;
}

TILE_INLINE v16 tanh(v16 x) {
  const v16 t = absolute(x);
  const v16 s = x * x;
  const v16 p =
      polynomial(s, -0.333332807f, 0.133314073f, -0.0537367165f, 0.0206290018f, -0.00569338212f);
  const v16 small = fma(p * s, t, t);
  const v16 e = exp_inside(min(t + t, splat(80.0f)));  // tanh is 1 from 9.1 on
  const v16 large = 1.0f - 2.0f / (e + 1.0f);
  const v16 result = with_sign_of(t < 0.625f ? small : large, x);
  return x == x ? result : x;
}

// erf(x) = x + x P(x^2) near 0; 1 - exp(-t - t Q(t)) beyond, t = |x|.
TILE_INLINE v16 erf(v16 x) {
  const v16 t = absolute(x);
  const v16 p = polynomial(x * x, 0.128379151f, -0.376124889f, 0.11281731f, -0.0267629642f,
                           0.00498734787f, -0.000595955527f);
  const v16 small = fma(p, x, x);
  const v16 u = min(t, splat(4.0f));  // erf is 1 from 3.92 on, and Q fits up to there
  const v16 q = polynomial(u, 0.128514364f, 0.635718286f, 0.105261907f, -0.022890022f,
                           0.00321497885f, -0.000213988358f);
  const v16 large = with_sign_of(1.0f - exp_inside(-fma(q, u, u)), x);
  const v16 result = t < 0.925f ? small : large;
  return x == x ? result : x;
}

// 0.5 x (1 + erf(x / sqrt 2)) = max(x, 0) - t erfc(t / sqrt 2) / 2 with t = |x|, and half of that
// erfc is 2^P(t): nothing cancels left of 0, and there is one polynomial, not erf's two.
TILE_INLINE v16 gelu_erf(v16 x) {
  const v16 most = splat(5.7f);  // P fits up to there, and the product is below 4e-8
  const v16 size = absolute(x);
  const v16 t = size > most ? most : size;  // NaN stays
  const v16 p = polynomial(t, -1.0f, -1.15112805f, -0.459038645f, -0.0529525168f, 0.00765842432f,
                           -0.000551096455f, -2.99086241e-5f, 9.39097481e-6f, -5.4845907e-7f);
  const v16 half_erfc = size < most ? exp2_inside(p) : splat(0.0f);
  return fma(-t, half_erfc, max(x, splat(0.0f)));
}

// 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
TILE_INLINE v16 gelu_tanh(v16 x) {
  const v16 cubic = fma(x * x * x, splat(0.044715f), x);
  const v16 half = 0.5f * x;
  return fma(half, tanh(cubic * 0.79788456080286536f), half);
}

}  // namespace tessera
