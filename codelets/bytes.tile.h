// SPDX-License-Identifier: Apache-2.0
// The inner product of bytes: strips of rows of u8 times panels of i8, summed in i32.
//
// A panel holds sixteen columns, four terms of each side by side: what the host's dot product of
// bytes takes at once. Rows and columns are filled up with zeros to whole fours.
#pragma once

#include "codelets/strip.tile.h"

// Adds the products of four u8, the bytes of `a`, with each of sixteen fours of i8 to the sixteen
// sums: exactly, in i32. The JIT writes the body, in the instructions that this host has.
extern "C" void add_dots_of_bytes(int* sums, int a, const signed char* b);

namespace tessera {

TILE_INLINE v16 round_even(v16 x) {
  const v16 size = __builtin_elementwise_abs(x);
  return size < 0x1p23f ? __builtin_elementwise_copysign(size + 0x1p23f - 0x1p23f, x) : x;
}

// `flip`: the bits of each byte that are inverted; zeros from `count` to `whole`.
inline void copy_bytes(const unsigned char* from, int64_t count, int flip, int64_t whole,
                       unsigned char* to) {
  using b16 = unsigned char __attribute__((ext_vector_type(16)));
  typedef b16 b16_in_memory __attribute__((aligned(1), may_alias));
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    *reinterpret_cast<b16_in_memory*>(to + i) =
        *reinterpret_cast<const b16_in_memory*>(from + i) ^ b16(static_cast<unsigned char>(flip));
  for (; i < count; ++i) to[i] = static_cast<unsigned char>(from[i] ^ flip);
  for (; i < whole; ++i) to[i] = 0;
}

inline int sum_of_bytes(const unsigned char* from, int64_t count) {
  using b16 = unsigned char __attribute__((ext_vector_type(16)));
  typedef b16 b16_in_memory __attribute__((aligned(1), may_alias));
  using i16 = int __attribute__((ext_vector_type(16)));
  i16 sums = 0;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    sums += __builtin_convertvector(*reinterpret_cast<const b16_in_memory*>(from + i), i16);
  int sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += sums[lane];
  for (; i < count; ++i) sum += from[i];
  return sum;
}

// Columns of a matrix of bytes, whose row r begins at first + r * stride.
struct BytePanels {
  const unsigned char* first;
  int64_t stride, terms, columns;
  int flip;
};

// Four terms of sixteen columns.
TILE_INLINE void write_fours(const unsigned char* rows[4], int flip, signed char* to) {
  using b16 = unsigned char __attribute__((ext_vector_type(16)));
  using b32 = unsigned char __attribute__((ext_vector_type(32)));
  using b64 = unsigned char __attribute__((ext_vector_type(64)));
  typedef b16 b16_in_memory __attribute__((aligned(1), may_alias));
  typedef b64 b64_in_memory __attribute__((aligned(1), may_alias));
  b16 row[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) row[i] = *reinterpret_cast<const b16_in_memory*>(rows[i]);
  const b32 even =
      __builtin_shufflevector(row[0], row[2], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7,
                              23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  const b32 odd =
      __builtin_shufflevector(row[1], row[3], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7,
                              23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  const b64 fours = __builtin_shufflevector(
      even, odd, 0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39, 8, 40, 9, 41, 10, 42, 11,
      43, 12, 44, 13, 45, 14, 46, 15, 47, 16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22, 54,
      23, 55, 24, 56, 25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63);
  *reinterpret_cast<b64_in_memory*>(to) = fours ^ b64(static_cast<unsigned char>(flip));
}

// Writes the last columns or terms, which do not fill a panel's fours.
[[gnu::noinline]] inline void write_some_fours(const BytePanels& from, int64_t term, int64_t column,
                                               signed char* to) {
  for (int64_t c = 0; c < kLanes; ++c)
    for (int64_t t = 0; t < 4; ++t) {
      const bool is_there = term + t < from.terms && column + c < from.columns;
      const unsigned char value = is_there ? from.first[(term + t) * from.stride + column + c] ^
                                                 static_cast<unsigned char>(from.flip)
                                           : 0;
      to[c * 4 + t] = static_cast<signed char>(value);
    }
}

// A panel begins 16 · `terms` bytes after the one before.
inline void write_byte_panels(const BytePanels& from, int64_t terms, signed char* panels) {
  const int64_t count = panels_of(from.columns);
  for (int64_t term = 0; term < terms; term += 4) {
    for (int64_t p = 0; p < count; ++p) {
      signed char* const to = panels + p * terms * kLanes + term * kLanes;
      const int64_t column = p * kLanes;
      if (term + 4 > from.terms || column + kLanes > from.columns) {
        write_some_fours(from, term, column, to);
        continue;
      }
      const unsigned char* rows[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) rows[i] = from.first + (term + i) * from.stride + column;
      write_fours(rows, from.flip, to);
    }
  }
}

struct ByteStrip {
  const unsigned char* a;
  int64_t row_stride;
  const signed char* b;
  int64_t terms;  // in whole fours
  int* sums;
  int64_t sums_stride;
};

template <int Rows, int Panels>
[[gnu::noinline]] void multiply_byte_strip(const ByteStrip& given) {
  using i16 = int __attribute__((ext_vector_type(16)));
  typedef i16 i16_in_memory __attribute__((aligned(4), may_alias));
  const ByteStrip strip = given;  // copies: stores to the sums cannot change them
  alignas(64) int sum[Rows][Panels][kLanes];
#pragma unroll
  for (int r = 0; r < Rows; ++r) {
#pragma unroll
    for (int p = 0; p < Panels; ++p) *reinterpret_cast<i16*>(sum[r][p]) = i16(0);
  }
  for (int64_t term = 0; term < strip.terms; term += 4) {
#pragma unroll
    for (int r = 0; r < Rows; ++r) {
      int four;
      __builtin_memcpy(&four, strip.a + r * strip.row_stride + term, sizeof four);
#pragma unroll
      for (int p = 0; p < Panels; ++p)
        add_dots_of_bytes(sum[r][p], four, strip.b + (p * strip.terms + term) * kLanes);
    }
  }
#pragma unroll
  for (int r = 0; r < Rows; ++r) {
#pragma unroll
    for (int p = 0; p < Panels; ++p)
      *reinterpret_cast<i16_in_memory*>(strip.sums + r * strip.sums_stride + p * kLanes) =
          *reinterpret_cast<const i16*>(sum[r][p]);
  }
}

// Strip sizes that this host never asks for are not compiled.
template <int Rows = kMaxStripRows, int Panels = kMaxStripPanels>
TILE_INLINE void multiply_bytes(StripSize size, const ByteStrip& strip) {
  if (Rows <= largest_strip().rows && Panels <= largest_strip().panels && size.rows == Rows &&
      size.panels == Panels) {
    return multiply_byte_strip<Rows, Panels>(strip);
  }
  if constexpr (Panels > 1) {
    return multiply_bytes<Rows, Panels / 2>(size, strip);
  } else if constexpr (Rows > 1) {
    return multiply_bytes<Rows - 1>(size, strip);
  }
}

inline void sum_columns(const signed char* panels, int64_t terms, int64_t count, int* sums) {
  constexpr int kOnes = 0x01010101;
  for (int64_t p = 0; p < count; ++p) {
    alignas(64) int sum[kLanes] = {};
    for (int64_t term = 0; term < terms; term += 4)
      add_dots_of_bytes(sum, kOnes, panels + (p * terms + term) * kLanes);
    for (int i = 0; i < kLanes; ++i) sums[p * kLanes + i] = sum[i];
  }
}

}  // namespace tessera
