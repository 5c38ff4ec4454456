// SPDX-License-Identifier: Apache-2.0
// Walks along the middle dimension of x[o,k,n] with sixteen results at a time, each in the order of
// k: neighbouring columns where there are any, else neighbouring rows. The order of one result's
// additions never depends on how many are made at once.
#pragma once

#include "codelets/lanes.tile.h"

namespace tessera {

// Sixteen results' elements of x: lane i is lane_stride further, a step along k is k_stride.
struct Lines {
  int64_t at;
  int64_t lane_stride, k_stride;
  int64_t count;  // lanes in use
};

TILE_INLINE int64_t at_most_lanes(int64_t left) { return left < kLanes ? left : kLanes; }

// Calls visit(o, column, lines, lanes_are_rows) for every group.
template <class Visit>
TILE_INLINE void for_each_group(const VertexOperand& x, Visit visit) {
  const int64_t rows = x.size[0], columns = x.size[2];
  if (columns == 1) {
    for (int64_t o = 0; o < rows; o += kLanes) {
      visit(o, int64_t{0},
            Lines{o * x.stride[0], x.stride[0], x.stride[1], at_most_lanes(rows - o)});
    }
    return;
  }
  for (int64_t o = 0; o < rows; ++o) {
    for (int64_t c = 0; c < columns; c += kLanes) {
      visit(o, c, Lines{o * x.stride[0] + c, 1, x.stride[1], at_most_lanes(columns - c)});
    }
  }
}

template <class V>
TILE_INLINE V line_at(Element element, const VertexOperand& x, const Lines& lines, int64_t k) {
  return load_lanes<V>(element, x.data, lines.at + k * lines.k_stride, lines.lane_stride,
                       lines.count);
}

TILE_INLINE v16 plus(v16 a, v16 b) { return a + b; }
// Wraps, as the machine's integers do.
TILE_INLINE i16 plus(i16 a, i16 b) {
  using u16 = unsigned __attribute__((ext_vector_type(16)));
  return __builtin_bit_cast(i16, __builtin_bit_cast(u16, a) + __builtin_bit_cast(u16, b));
}

// NaN if either is.
template <class V>
TILE_INLINE V larger(V a, V b) {
  return ((a > b) | (a != a)) ? a : b;
}

}  // namespace tessera
