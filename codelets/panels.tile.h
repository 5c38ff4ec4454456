// SPDX-License-Identifier: Apache-2.0
// A matrix as f32 panels of sixteen columns: panel p holds columns 16 p … 16 p + 15 of every row,
// one row after the other, zeros past the last column. Code that multiplies by a panel reads memory
// in one direction only.
#pragma once

#include "codelets/vector.tile.h"

namespace tessera {

constexpr int64_t panels_of(int64_t columns) { return (columns + kLanes - 1) / kLanes; }

// rows x columns of `from`, whose row r begins at element at + r * stride; a panel begins
// `panel_stride` after the one before. A row is read in one go: it may be all that is near in
// memory.
inline void write_panels(Element element, const void* from, int64_t at, int64_t stride,
                         int64_t rows, int64_t columns, float* panels, int64_t panel_stride) {
  const int64_t whole = columns / kLanes;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t p = 0; p < whole; ++p) {
      store16(Element::F32, panels, p * panel_stride + r * kLanes,
              load16(element, from, at + r * stride + p * kLanes));
    }
  }
  const int64_t left = columns - whole * kLanes;
  if (left == 0) return;
  float* const last = panels + whole * panel_stride;
  for (int64_t r = 0; r < rows; ++r) {
    store16(Element::F32, last, r * kLanes,
            load_some(element, from, at + r * stride + whole * kLanes, left));
  }
}

// rows x columns of `from` as f32 rows without gaps.
inline void write_rows(Element element, const void* from, int64_t at, int64_t stride, int64_t rows,
                       int64_t columns, float* to) {
  for (int64_t r = 0; r < rows; ++r, to += columns) {
    int64_t i = 0;
    for (; i + kLanes <= columns; i += kLanes) {
      store16(Element::F32, to, i, load16(element, from, at + r * stride + i));
    }
    load_lanes(element, from, at + r * stride + i, columns - i, to + i);
  }
}

}  // namespace tessera
