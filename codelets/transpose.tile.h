// SPDX-License-Identifier: Apache-2.0
// Sixteen rows of sixteen floats, rows and columns exchanged in registers.
#pragma once

#include "codelets/vector.tile.h"

namespace tessera {

TILE_INLINE v16 interleave_low(v16 a, v16 b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
TILE_INLINE v16 interleave_high(v16 a, v16 b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                 31);
}

// Each round interleaves rows i and i + 8, which rotates the index (row, column) of every element
// by one bit; after four of its eight bits, row and column have changed places.
TILE_INLINE void transpose16(v16 (&rows)[16]) {
#pragma unroll
  for (int round = 0; round < 4; ++round) {
    v16 next[16];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      next[2 * i] = interleave_low(rows[i], rows[i + 8]);
      next[2 * i + 1] = interleave_high(rows[i], rows[i + 8]);
    }
#pragma unroll
    for (int i = 0; i < 16; ++i) rows[i] = next[i];
  }
}

}  // namespace tessera
