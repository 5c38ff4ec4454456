// SPDX-License-Identifier: Apache-2.0
// Elements of any type as sixteen floats or sixteen integers, and back.
//
// A float becomes an integer by cutting off, at the ends of the range, and NaN becomes 0: hosts
// differ in what they do there, we must not.
#pragma once

#include "codelets/vector.tile.h"

namespace tessera {

TILE_INLINE i16 splat(int value) { return i16(value); }
constexpr bool is_float(Element element) {
  return element == Element::F32 || element == Element::F16 || is_fp8(element);
}
constexpr bool is_byte(Element element) { return element == Element::I8 || element == Element::U8; }

// Within what i8 or u8 holds.
TILE_INLINE i16 saturated(Element byte, i16 x) {
  const i16 least = splat(byte == Element::I8 ? -128 : 0);
  const i16 most = splat(byte == Element::I8 ? 127 : 255);
  const i16 above = x < least ? least : x;
  return above > most ? most : above;
}

TILE_INLINE i16 truncate(v16 x) {
  constexpr float kEnd = 2147483648.0f;
  const i16 inside = (x >= -kEnd) & (x < kEnd);
  const i16 cut = __builtin_convertvector(inside ? x : splat(0.0f), i16);
  const i16 outside =
      x >= kEnd ? splat(0x7fffffff) : (x < -kEnd ? splat(-0x7fffffff - 1) : splat(0));
  return inside ? cut : outside;
}

template <class V>
V convert(v16);
template <class V>
V convert(i16);
template <>
TILE_INLINE v16 convert<v16>(v16 x) {
  return x;
}
template <>
TILE_INLINE i16 convert<i16>(v16 x) {
  return truncate(x);
}
template <>
TILE_INLINE v16 convert<v16>(i16 x) {
  return __builtin_convertvector(x, v16);
}
template <>
TILE_INLINE i16 convert<i16>(i16 x) {
  return x;
}

// One element of i32, bool, i8 or u8.
TILE_INLINE int load_int(Element element, const void* from, int64_t at) {
  if (element == Element::Bool) return static_cast<const unsigned char*>(from)[at] != 0;
  if (element == Element::I8) return static_cast<const signed char*>(from)[at];
  if (element == Element::U8) return static_cast<const unsigned char*>(from)[at];
  return static_cast<const int*>(from)[at];
}

TILE_INLINE void store_int(Element element, void* to, int64_t at, int value) {
  if (element == Element::Bool) {
    static_cast<unsigned char*>(to)[at] = value != 0;
  } else if (is_byte(element)) {
    static_cast<unsigned char*>(to)[at] = static_cast<unsigned char>(value);
  } else {
    static_cast<int*>(to)[at] = value;
  }
}

// All sixteen, side by side.
TILE_INLINE i16 load_ints(Element element, const void* from, int64_t at) {
  if (element == Element::Bool) {
    const auto* bytes = static_cast<const unsigned char*>(from) + at;
    return __builtin_convertvector(*reinterpret_cast<const b16_in_memory*>(bytes), i16) != 0
               ? splat(1)
               : splat(0);
  }
  if (is_byte(element)) {
    const auto* bytes = static_cast<const unsigned char*>(from) + at;
    const b16 value = *reinterpret_cast<const b16_in_memory*>(bytes);
    if (element == Element::U8) return __builtin_convertvector(value, i16);
    return __builtin_convertvector(__builtin_bit_cast(c16, value), i16);
  }
  return *reinterpret_cast<const i16_in_memory*>(static_cast<const int*>(from) + at);
}

TILE_INLINE void store_ints(Element element, void* to, int64_t at, i16 value) {
  if (element == Element::Bool) {
    auto* bytes = static_cast<unsigned char*>(to) + at;
    const i16 ones = value != 0 ? splat(1) : splat(0);
    *reinterpret_cast<b16_in_memory*>(bytes) = __builtin_convertvector(ones, b16);
  } else if (is_byte(element)) {
    auto* bytes = static_cast<unsigned char*>(to) + at;
    *reinterpret_cast<b16_in_memory*>(bytes) = __builtin_convertvector(value, b16);
  } else {
    *reinterpret_cast<i16_in_memory*>(static_cast<int*>(to) + at) = value;
  }
}

// Sixteen elements side by side.
template <class V>
TILE_INLINE V load_whole(Element element, const void* from, int64_t at) {
  return is_float(element) ? convert<V>(load16(element, from, at))
                           : convert<V>(load_ints(element, from, at));
}

// A Bool is "not zero", before any other rounding; i8 and u8 end at their ends.
template <class V>
TILE_INLINE i16 as_ints(Element element, V value) {
  if (is_byte(element)) return saturated(element, convert<i16>(value));
  return element == Element::Bool ? (value != 0 ? splat(1) : splat(0)) : convert<i16>(value);
}

template <class V>
TILE_INLINE void store_whole(Element element, void* to, int64_t at, V value) {
  if (is_float(element)) {
    store16(element, to, at, convert<v16>(value));
  } else {
    store_ints(element, to, at, as_ints(element, value));
  }
}

// `count` <= 16 elements, `stride` apart, in the first lanes; the others are 0.
template <class V>
TILE_INLINE V load_lanes(Element element, const void* from, int64_t at, int64_t stride,
                         int64_t count) {
  if (stride == 1 && count == kLanes) return load_whole<V>(element, from, at);
  if (is_float(element)) {
    alignas(64) float lanes[kLanes] = {};
    for (int64_t i = 0; i < count; ++i) lanes[i] = load(element, from, at + i * stride);
    return convert<V>(*reinterpret_cast<const v16*>(lanes));
  }
  alignas(64) int lanes[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) lanes[i] = load_int(element, from, at + i * stride);
  return convert<V>(*reinterpret_cast<const i16*>(lanes));
}

template <class V>
TILE_INLINE void store_lanes(Element element, void* to, int64_t at, int64_t stride, int64_t count,
                             V value) {
  if (stride == 1 && count == kLanes) return store_whole(element, to, at, value);
  if (is_float(element)) {
    alignas(64) float lanes[kLanes];
    *reinterpret_cast<v16*>(lanes) = convert<v16>(value);
    for (int64_t i = 0; i < count; ++i) store(element, to, at + i * stride, lanes[i]);
    return;
  }
  alignas(64) int lanes[kLanes];
  *reinterpret_cast<i16*>(lanes) = as_ints(element, value);
  for (int64_t i = 0; i < count; ++i) store_int(element, to, at + i * stride, lanes[i]);
}

}  // namespace tessera
