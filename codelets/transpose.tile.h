// SPDX-License-Identifier: Apache-2.0
// Sixteen rows of sixteen floats, rows and columns exchanged.
#pragma once

#include "codelets/vector.tile.h"

namespace tessera {

using v4 = float __attribute__((ext_vector_type(4)));
typedef v4 v4_in_memory __attribute__((aligned(4), may_alias));

// Each round interleaves rows i and i + 2, which rotates the index (row, column) of every element
// by one bit; after two of its four bits, row and column have changed places.
TILE_INLINE void transpose4(v4 (&rows)[4]) {
#pragma unroll
  for (int round = 0; round < 2; ++round) {
    v4 next[4];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      next[2 * i] = __builtin_shufflevector(rows[i], rows[i + 2], 0, 4, 1, 5);
      next[2 * i + 1] = __builtin_shufflevector(rows[i], rows[i + 2], 2, 6, 3, 7);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) rows[i] = next[i];
  }
}

// The first `columns` columns of `from` become rows of `to`. By blocks of four: one exchange of all
// sixteen in registers is no faster on hosts with narrower ones, and takes LLVM a tenth of a
// second.
inline void transpose16(const float* from, int64_t columns, float* to) {
  for (int64_t column = 0; column < columns; column += 4) {
    for (int64_t row = 0; row < kLanes; row += 4) {
      v4 block[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        block[i] = *reinterpret_cast<const v4_in_memory*>(from + (row + i) * kLanes + column);
      }
      transpose4(block);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (column + i >= columns) break;
        *reinterpret_cast<v4_in_memory*>(to + (column + i) * kLanes + row) = block[i];
      }
    }
  }
}

}  // namespace tessera
