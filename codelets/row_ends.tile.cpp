// SPDX-License-Identifier: Apache-2.0
// row_ends: how far each row's numbers reach below 0 and above it; NaN where any is.
#include "codelets/constants.h"
#include "codelets/vector.tile.h"

using namespace tessera;

extern "C" const RowEndsConstants row_ends_constants;

extern "C" void row_ends(const VertexOperand* operands, void*) {
  const VertexOperand &x = operands[0], &out = operands[1];
  for (int64_t row = 0; row < x.size[0]; ++row) {
    v16 least = splat(0), greatest = splat(0);
    i16 nan = least != least;
    for_each_lanes(x.size[1], [&](int64_t i, int64_t left) {
      const v16 lanes = load_upto(row_ends_constants.x, x.data, row * x.stride[0] + i, left);
      least = least < lanes ? least : lanes;  // NaN too
      greatest = greatest > lanes ? greatest : lanes;
      nan |= lanes != lanes;
    });
    float* const to = static_cast<float*>(out.data) + row * out.stride[0];
    const v16 none = nan ? splat(__builtin_nanf("")) : splat(0.0f);
    to[0] = max_of_lanes(splat(0.0f) - least) + sum_of_lanes(none);
    to[out.stride[1]] = max_of_lanes(greatest) + sum_of_lanes(none);
  }
}
