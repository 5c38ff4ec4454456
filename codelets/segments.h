// SPDX-License-Identifier: Apache-2.0
// What pack and unpack have in common, on the host: rows copied to where the running sum of lengths
// says. Operands: rows, lengths, rows.
#pragma once

#include "codelets/rules.h"
#include "codelets/work.h"

namespace tessera {

inline Status check_segments(std::string_view codelet, const VertexShape& shape, size_t in_rank,
                             size_t out_rank) {
  TRY(check_params(codelet, shape, {}));
  TRY(check_operand_count(codelet, shape, 3));
  TRY(check_operand(codelet, shape, 0, {Accept::Any, Shape(in_rank, kAnySize)}));
  TRY(check_operand(codelet, shape, 1, {Accept::I32, Shape(1, kAnySize)}));
  Shape out(out_rank, kAnySize);
  out.back() = shape.operands[0].size.back();
  TRY(check_operand(codelet, shape, 2, {Accept::Any, out, true}));
  return check_same_dtype(codelet, shape, 2, 0);
}

// Each of `rows` is charged, those that hold no request too: the tile's schedule is static. A row
// is a dynamic slice, 24 issues and two for each 8 bytes (poplibs popops PerformanceEstimation.cpp
// getDynamicSlice1DEstimate); the lengths are one issue each.
inline Cycles segment_cycles(int64_t rows, int64_t row_bytes, int64_t lengths,
                             const Target& target) {
  const int64_t row = 24 + 2 * ceil_div(row_bytes, 8);
  return tile_cycles(25, 39 + lengths + per_worker(rows, target) * row, target);
}

}  // namespace tessera
