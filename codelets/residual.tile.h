// SPDX-License-Identifier: Apache-2.0
// The row that a norm is taken of: v = x + residual, kept in scratch as f32.
#pragma once

#include "codelets/vector.tile.h"

namespace tessera {

// Writes v's row and returns the mean of what `add` adds to the sum for each sixteen of it; what is
// past the row's end is 0.
template <class Constants, class Add>
TILE_INLINE float add_residual(const Constants& is, const VertexOperand* operands, int64_t row,
                               float* v, Add add) {
  const VertexOperand &x = operands[0], &residual = operands[1];
  const int64_t n = x.size[1];
  const int64_t x_at = row * x.stride[0];
  const int64_t residual_at = is.has_residual ? row * residual.stride[0] : 0;
  v16 sum = splat(0);
  for_each_lanes(n, [&](int64_t i, int64_t left) {
    v16 lanes = load_upto(is.x, x.data, x_at + i, left);
    if (is.has_residual) lanes += load_upto(is.residual, residual.data, residual_at + i, left);
    store16(Element::F32, v, i, lanes);
    sum = add(sum, lanes);
  });
  return sum_of_lanes(sum) / static_cast<float>(n);
}

}  // namespace tessera
