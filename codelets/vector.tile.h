// SPDX-License-Identifier: Apache-2.0
// Sixteen lanes: what every codelet computes in. LLVM makes one 512-bit register of it, two of 256
// bits or four of 128, so the same source runs on every host and gives the same bits.
//
// A dtype is a constant that the JIT fills in before it compiles, so a branch on one is gone from
// the code. f16 and fp8 exist in memory only: they are f32 once loaded, and round once when stored.
#pragma once

#include "codelets/fp8.tile.h"
#include "codelets/lane_types.tile.h"

namespace tessera {

TILE_INLINE v16 fma(v16 a, v16 b, v16 c) { return __builtin_elementwise_fma(a, b, c); }

// --- Elements of any float type; `at` counts elements ---

TILE_INLINE int64_t bytes_of(Element element) {
  if (is_fp8(element)) return 1;
  return element == Element::F16 ? 2 : 4;
}

TILE_INLINE float load(Element element, const void* from, int64_t at) {
  if (is_fp8(element)) {
    return widened(element, i16(static_cast<const unsigned char*>(from)[at]))[0];
  }
  if (element == Element::F16) return static_cast<float>(static_cast<const _Float16*>(from)[at]);
  return static_cast<const float*>(from)[at];
}

TILE_INLINE void store(Element element, void* to, int64_t at, float value) {
  if (is_fp8(element)) {
    static_cast<unsigned char*>(to)[at] =
        static_cast<unsigned char>(narrowed(element, splat(value))[0]);
  } else if (element == Element::F16) {
    static_cast<_Float16*>(to)[at] = static_cast<_Float16>(value);
  } else {
    static_cast<float*>(to)[at] = value;
  }
}

TILE_INLINE v16 load16(Element element, const void* from, int64_t at) {
  if (is_fp8(element)) return load_fp8(element, static_cast<const unsigned char*>(from) + at);
  if (element == Element::F16) {
    const auto* half = static_cast<const _Float16*>(from) + at;
    return __builtin_convertvector(*reinterpret_cast<const h16_in_memory*>(half), v16);
  }
  return *reinterpret_cast<const v16_in_memory*>(static_cast<const float*>(from) + at);
}

TILE_INLINE void store16(Element element, void* to, int64_t at, v16 value) {
  if (is_fp8(element)) {
    store_fp8(element, static_cast<unsigned char*>(to) + at, value);
  } else if (element == Element::F16) {
    auto* half = static_cast<_Float16*>(to) + at;
    *reinterpret_cast<h16_in_memory*>(half) = __builtin_convertvector(value, h16);
  } else {
    *reinterpret_cast<v16_in_memory*>(static_cast<float*>(to) + at) = value;
  }
}

// The edges of a row: one lane at a time, out of line, because code for them is worth its size only
// once.
[[gnu::noinline]] inline void load_lanes(Element element, const void* from, int64_t at,
                                         int64_t count, float* lanes) {
  for (int64_t i = 0; i < count; ++i) lanes[i] = load(element, from, at + i);
}

[[gnu::noinline]] inline void store_lanes(Element element, void* to, int64_t at, int64_t count,
                                          const float* lanes) {
  for (int64_t i = 0; i < count; ++i) store(element, to, at + i, lanes[i]);
}

// The first `count` < 16 elements; the other lanes are `rest`, and no memory past them is touched.
TILE_INLINE v16 load_some(Element element, const void* from, int64_t at, int64_t count,
                          float rest = 0) {
  alignas(64) float lanes[kLanes];
  *reinterpret_cast<v16*>(lanes) = splat(rest);
  load_lanes(element, from, at, count, lanes);
  return *reinterpret_cast<const v16*>(lanes);
}

TILE_INLINE void store_some(Element element, void* to, int64_t at, int64_t count, v16 value) {
  alignas(64) float lanes[kLanes];
  *reinterpret_cast<v16*>(lanes) = value;
  store_lanes(element, to, at, count, lanes);
}

// Sixteen, or the `left` that a row has left.
TILE_INLINE v16 load_upto(Element element, const void* from, int64_t at, int64_t left,
                          float rest = 0) {
  return left >= kLanes ? load16(element, from, at) : load_some(element, from, at, left, rest);
}

TILE_INLINE void store_upto(Element element, void* to, int64_t at, int64_t left, v16 value) {
  if (left >= kLanes) return store16(element, to, at, value);
  store_some(element, to, at, left, value);
}

// Calls with each place in a row of n, and how many elements are left there: 16 until the last. The
// call is compiled twice, without the question of an edge in the loop.
template <class Call>
TILE_INLINE void for_each_lanes(int64_t n, Call call) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) call(i, kLanes);
  if (i < n) call(i, n - i);
}

// --- Lanes: always folded in halves, so that a sum has one order ---

TILE_INLINE float sum_of_lanes(v16 v) {
  const auto v8 = v.lo + v.hi;
  const auto v4 = v8.lo + v8.hi;
  const auto v2 = v4.lo + v4.hi;
  return v2.lo + v2.hi;
}

// True (-1) in the first `count` lanes, in all of them from 16 up.
TILE_INLINE i16 first_lanes(int64_t count) {
  constexpr i16 kNumbers = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return kNumbers < static_cast<int>(count < kLanes ? count : kLanes);
}

TILE_INLINE v16 max(v16 a, v16 b) { return a > b ? a : b; }
TILE_INLINE v16 min(v16 a, v16 b) { return a < b ? a : b; }

TILE_INLINE float max_of_lanes(v16 v) {
  const auto v8 = v.lo > v.hi ? v.lo : v.hi;
  const auto v4 = v8.lo > v8.hi ? v8.lo : v8.hi;
  const auto v2 = v4.lo > v4.hi ? v4.lo : v4.hi;
  return v2.lo > v2.hi ? v2.lo : v2.hi;
}

}  // namespace tessera
