// SPDX-License-Identifier: Apache-2.0
// Loops over several boxes at once, each walked by its own strides.
//
// Dimensions are added from the outside in. One of size 1 is not a loop, and one that every box
// walks on from where the dimension outside it steps is the same loop: whole tensors become a
// single run, whatever their rank.
#pragma once

#include "codelets/vector.tile.h"

namespace tessera {

template <int kBoxes>
struct Nest {
  int64_t rank = 0;
  int64_t size[kVertexRank];
  int64_t stride[kVertexRank][kBoxes];

  TILE_INLINE void add(int64_t extent, const int64_t (&step)[kBoxes]) {
    if (extent == 1) return;
    if (rank > 0 && continues(extent, step)) {
      size[rank - 1] *= extent;
    } else {
      size[rank++] = extent;
    }
    for (int box = 0; box < kBoxes; ++box) stride[rank - 1][box] = step[box];
  }

  // The innermost loop.
  TILE_INLINE int64_t run() const { return rank == 0 ? 1 : size[rank - 1]; }
  TILE_INLINE int64_t run_stride(int box) const { return rank == 0 ? 0 : stride[rank - 1][box]; }

  // Calls `visit` with the boxes' offsets at every position of the first `outer` loops, in order.
  template <class Visit>
  TILE_INLINE void for_each(int64_t outer, Visit visit) const {
    int64_t position[kVertexRank] = {};
    int64_t offset[kBoxes] = {};
    while (true) {
      visit(offset);
      int64_t d = outer - 1;
      for (; d >= 0; --d) {
        for (int box = 0; box < kBoxes; ++box) offset[box] += stride[d][box];
        if (++position[d] < size[d]) break;
        for (int box = 0; box < kBoxes; ++box) offset[box] -= stride[d][box] * size[d];
        position[d] = 0;
      }
      if (d < 0) return;
    }
  }

 private:
  TILE_INLINE bool continues(int64_t extent, const int64_t (&step)[kBoxes]) const {
    for (int box = 0; box < kBoxes; ++box) {
      if (stride[rank - 1][box] != step[box] * extent) return false;
    }
    return true;
  }
};

}  // namespace tessera
