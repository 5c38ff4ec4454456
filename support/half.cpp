// SPDX-License-Identifier: Apache-2.0
#include "support/half.h"

namespace tessera {
namespace {

// Rounds a binary64 to binary16. A float goes through double exactly, so one routine serves both.
uint16_t round_to_half(double value) {
  const uint64_t bits = std::bit_cast<uint64_t>(value);
  const uint16_t sign = static_cast<uint16_t>(bits >> 48 & 0x8000);
  const int exponent = static_cast<int>(bits >> 52 & 0x7ff) - 1023;
  const uint64_t fraction = bits & 0xfffffffffffffULL;
  if (exponent == 1024) return sign | (fraction ? 0x7e00 : 0x7c00);
  if (exponent > 15) return sign | 0x7c00;
  if (exponent < -25) return sign;  // below half the smallest subnormal

  // The significand with its leading one, and how many of its low bits do not fit.
  const uint64_t significand = fraction | (uint64_t{1} << 52);
  const int drop = exponent >= -14 ? 42 : 42 + (-14 - exponent);
  uint64_t kept = significand >> drop;
  const uint64_t rest = significand & ((uint64_t{1} << drop) - 1);
  const uint64_t tie = uint64_t{1} << (drop - 1);
  if (rest > tie || (rest == tie && (kept & 1))) ++kept;
  // A carry out of the significand moves into the exponent, up to infinity, by itself.
  const uint64_t base = exponent >= -14 ? static_cast<uint64_t>(exponent + 14) << 10 : 0;
  return static_cast<uint16_t>(sign | (base + kept));
}

// Without a branch, so that compilers make vectors of it. Below the smallest normal half, adding
// 0.5 puts the last bit of a half where the last bit of the float is, and the adder rounds.
uint16_t round_float(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  const uint32_t normal = (magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
  const uint32_t subnormal =
      std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000;
  uint32_t half = magnitude < 0x38800000 ? subnormal : normal;
  half = magnitude >= 0x477ff000 ? 0x7c00 : half;  // 65520 and infinity
  half = magnitude > 0x7f800000 ? 0x7e00 : half;   // not a number
  return static_cast<uint16_t>(sign | half);
}

}  // namespace

void to_half(std::span<const float> from, std::span<uint16_t> to) {
  for (size_t i = 0; i < from.size(); ++i) to[i] = round_float(from[i]);
}

uint16_t to_half(double value) { return round_to_half(value); }
uint16_t to_half(float value) { return round_to_half(value); }

float from_half(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = bits >> 10 & 0x1f;
  const uint32_t fraction = bits & 0x3ff;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000 | fraction << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

}  // namespace tessera
