// SPDX-License-Identifier: Apache-2.0
// Sine and cosine on sixteen lanes, of angles of any size.
//
// x is q quarters of a turn and a rest r of at most pi/4; the two functions of r are Taylor's
// series in doubles, rounded once. The rest of a small angle is x less q pi/2, pi/2 in two parts.
// A large one takes part of the bits of 2/pi (Payne and Hanek, 1983): those whose product with x
// is not a multiple of four quarters. Sums and products only: the same bits on every host.
#pragma once

#include "codelets/pow.tile.h"

namespace tessera {

struct QuarterTurns {
  d16 rest;  // in radians
  l16 quarters;
};

// The quarter turns of |x| < 2^20.
TILE_INLINE QuarterTurns small_turns(d16 x) {
  constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to a whole number
  constexpr double kHigh = 0x1.921fb544p+0;      // 33 bits of pi/2: exact times 20 bits of n
  constexpr double kLow = 0x1.0b4611a626331p-34;
  const d16 n = (x * 0.63661977236758134 + kRound) - kRound;
  return {(x - n * kHigh) - n * kLow, __builtin_convertvector(n, l16)};
}

// Bits `first` .. `first` + 63 of 2/pi, counted from 0 behind its point.
TILE_INLINE unsigned long bits_of_two_over_pi(int first) {
  const unsigned long words[] = {0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041,
                                 0xfe5163abdebbc561, 0xb7246e3a424dd2e0};
  const int word = first / 64, shift = first % 64;
  if (shift == 0) return words[word];
  return words[word] << shift | words[word + 1] >> (64 - shift);
}

struct QuarterTurn {
  double rest;
  long quarters;
};

// The quarter turn of one finite x with |x| >= 2^20: a whole number of 24 bits times 2^e, e >= -3.
TILE_INLINE QuarterTurn large_turn(float x) {
  const unsigned bits = __builtin_bit_cast(unsigned, x);
  const unsigned long m = (bits & 0x7fffff) | 0x800000;
  const int e = static_cast<int>(bits >> 23 & 0xff) - 150;
  // m 2^e 2/pi modulo 4, in units of 2^-62: bit i of 2/pi stands for m 2^(e - 1 - i), a multiple of
  // 4 where i <= e - 3. A negative first bit is a 0 before the point.
  const int first = e - 2;
  const unsigned long high =
      first < 0 ? bits_of_two_over_pi(0) >> -first : bits_of_two_over_pi(first);
  const unsigned long low = bits_of_two_over_pi(first + 64);
  const unsigned long turn =
      m * high + static_cast<unsigned long>(static_cast<unsigned __int128>(m) * low >> 64);
  const unsigned long quarters = (turn + (1UL << 61)) >> 62;
  const auto rest = static_cast<long>(turn - (quarters << 62));
  const double radians = static_cast<double>(rest) * 0x1.921fb54442d18p-62;
  const bool negative = bits >> 31 != 0;
  return {negative ? -radians : radians,
          negative ? -static_cast<long>(quarters) : static_cast<long>(quarters)};
}

TILE_INLINE QuarterTurns turns_of(v16 x) {
  const v16 size = __builtin_elementwise_abs(x);
  const i16 small = size < 0x1p20f;
  QuarterTurns turns = small_turns(__builtin_convertvector(small ? x : splat(0.0f), d16));
  for (int i = 0; i < kLanes; ++i) {
    if (small[i] != 0 || !(size[i] < __builtin_inff())) continue;
    const QuarterTurn large = large_turn(x[i]);
    turns.rest[i] = large.rest;
    turns.quarters[i] = large.quarters;
  }
  return turns;
}

// sin(rest + quarters pi/2).
TILE_INLINE v16 sine_of(v16 x, d16 rest, l16 quarters) {
  const d16 square = rest * rest;
  d16 sine = d16(1.0);
  for (int k = 14; k >= 2; k -= 2) sine = sine * (square * (-1.0 / (k * (k + 1)))) + 1.0;
  sine = sine * rest;
  d16 cosine = d16(1.0);
  for (int k = 13; k >= 1; k -= 2) cosine = cosine * (square * (-1.0 / (k * (k + 1)))) + 1.0;
  d16 result = (quarters & 1) != 0 ? cosine : sine;
  result = (quarters & 2) != 0 ? -result : result;
  const i16 finite = __builtin_elementwise_abs(x) < __builtin_inff();
  return finite ? __builtin_convertvector(result, v16) : splat(__builtin_nanf(""));
}

TILE_INLINE v16 sin(v16 x) {
  const QuarterTurns turns = turns_of(x);
  return sine_of(x, turns.rest, turns.quarters);
}
TILE_INLINE v16 cos(v16 x) {
  const QuarterTurns turns = turns_of(x);
  return sine_of(x, turns.rest, turns.quarters + 1);
}

}  // namespace tessera
