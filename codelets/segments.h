// SPDX-License-Identifier: Apache-2.0
// The checks and costs that pack and unpack share, on the host. Both copy rows to the places of
// segments. Operands: rows, lengths [q] or starts and lengths [q,2], rows.
#pragma once

#include "codelets/rules.h"
#include "codelets/work.h"

namespace tessera {

inline bool has_segment_starts(const VertexShape& shape) {
  return shape.operands[1].size.size() == 2;
}

inline Status check_segments(std::string_view codelet, const VertexShape& shape, size_t in_rank,
                             size_t out_rank) {
  TRY(check_params(codelet, shape, {}));
  TRY(check_operand_count(codelet, shape, 3));
  TRY(check_operand(codelet, shape, 0, {Accept::Any, Shape(in_rank, kAnySize)}));
  const bool has_starts = has_segment_starts(shape);
  TRY(check_operand(codelet, shape, 1,
                    {
                        Accept::I32, has_starts ? Shape{kAnySize, 2}
                           : Shape{kAnySize}
  }));
  Shape out(out_rank, kAnySize);
  out.back() = shape.operands[0].size.back();
  TRY(check_operand(codelet, shape, 2, {Accept::Any, out, true}));
  return check_same_dtype(codelet, shape, 2, 0);
}

// Each of `rows` is charged, those that hold no request too: the tile's schedule is static. A row
// is a dynamic slice, 24 issues and two for each 8 bytes (poplibs popops PerformanceEstimation.cpp
// getDynamicSlice1DEstimate); a start or a length is one issue.
inline Cycles segment_cycles(const VertexShape& shape, int64_t rows, int64_t row_bytes,
                             const Target& target) {
  const int64_t row = 24 + 2 * ceil_div(row_bytes, 8);
  const int64_t numbers = elements(shape.operands[1].size);
  return tile_cycles(25, 39 + numbers + per_worker(rows, target) * row, target);
}

// PackConstants or UnpackConstants.
template <class T>
std::string segment_constants(const VertexShape& shape) {
  return bytes_of(T{.element = element_of(shape.operands[0].dtype),
                    .has_starts = has_segment_starts(shape) ? 1 : 0});
}

}  // namespace tessera
