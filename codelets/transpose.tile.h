// SPDX-License-Identifier: Apache-2.0
// Sixteen rows of sixteen floats, rows and columns exchanged.
#pragma once

#include "codelets/vector.tile.h"

namespace tessera {

using v4 = float __attribute__((ext_vector_type(4)));
typedef v4 v4_in_memory __attribute__((aligned(4), may_alias));

// Each round interleaves vectors i and i + 2, four lanes at a time, which rotates the index
// (vector, lane of four) of every element by one bit; after two of its four bits, the two have
// changed places.
TILE_INLINE void transpose_fours(v16 (&fours)[4]) {
#pragma unroll
  for (int round = 0; round < 2; ++round) {
    v16 next[4];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      next[2 * i] = __builtin_shufflevector(fours[i], fours[i + 2], 0, 16, 1, 17, 4, 20, 5, 21, 8,
                                            24, 9, 25, 12, 28, 13, 29);
      next[2 * i + 1] = __builtin_shufflevector(fours[i], fours[i + 2], 2, 18, 3, 19, 6, 22, 7, 23,
                                                10, 26, 11, 27, 14, 30, 15, 31);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) fours[i] = next[i];
  }
}

TILE_INLINE v4 load4(const float* from) { return *reinterpret_cast<const v4_in_memory*>(from); }

// Four columns of rows 0, 4, 8 and 12.
TILE_INLINE v16 every_fourth_row(const float* from) {
  const auto low =
      __builtin_shufflevector(load4(from), load4(from + 4 * kLanes), 0, 1, 2, 3, 4, 5, 6, 7);
  const auto high = __builtin_shufflevector(load4(from + 8 * kLanes), load4(from + 12 * kLanes), 0,
                                            1, 2, 3, 4, 5, 6, 7);
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

// The first `columns` columns of `from` become rows of `to`, four at a time: one exchange of all
// sixteen in registers takes LLVM a tenth of a second.
inline void transpose16(const float* from, int64_t columns, float* to) {
  for (int64_t column = 0; column < columns; column += 4) {
    v16 fours[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) fours[i] = every_fourth_row(from + i * kLanes + column);
    transpose_fours(fours);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (column + i >= columns) break;
      store16(Element::F32, to, (column + i) * kLanes, fours[i]);
    }
  }
}

}  // namespace tessera
