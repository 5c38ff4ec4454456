// SPDX-License-Identifier: Apache-2.0
// What pack and unpack cost: rows copied to where the running sum of lengths says.
#pragma once

#include "codelets/work.h"

namespace tessera {

// Each of `rows` is charged, those that hold no request too: the tile's schedule is static. A row
// is a dynamic slice, 24 issues and two for each 8 bytes (poplibs popops PerformanceEstimation.cpp
// getDynamicSlice1DEstimate); the lengths are one issue each.
inline Cycles segment_cycles(int64_t rows, int64_t row_bytes, int64_t lengths,
                             const Target& target) {
  const int64_t row = 24 + 2 * ceil_div(row_bytes, 8);
  return tile_cycles(25, 39 + lengths + per_worker(rows, target) * row, target);
}

}  // namespace tessera
