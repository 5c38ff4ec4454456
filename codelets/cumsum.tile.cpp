// SPDX-License-Identifier: Apache-2.0
// cumsum: the running sum along the middle dimension. The sum stays in f32 from one element to the
// next; each store rounds once. Integers wrap.
#include "codelets/constants.h"
#include "codelets/fold.tile.h"

using namespace tessera;

extern "C" const CumsumConstants cumsum_constants;

namespace {

template <class V>
TILE_INLINE void sum_all(const VertexOperand& x, const VertexOperand& out) {
  const CumsumConstants& constants = cumsum_constants;
  for_each_group(x, [&](int64_t o, int64_t column, const Lines& lines) {
    const int64_t lane_stride = x.size[2] == 1 ? out.stride[0] : 1;
    const int64_t to = o * out.stride[0] + column;
    V sum = {};
    for (int64_t k = 0; k < x.size[1]; ++k) {
      const V next = line_at<V>(constants.x, x, lines, k);
      sum = k == 0 ? next : plus(sum, next);
      store_lanes<V>(constants.out, out.data, to + k * out.stride[1], lane_stride, lines.count,
                     sum);
    }
  });
}

}  // namespace

extern "C" void cumsum(const VertexOperand* operands, void*) {
  if (is_float(cumsum_constants.x)) {
    sum_all<v16>(operands[0], operands[1]);
  } else {
    sum_all<i16>(operands[0], operands[1]);
  }
}
