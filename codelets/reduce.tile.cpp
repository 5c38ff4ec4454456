// SPDX-License-Identifier: Apache-2.0
// reduce: the sum or the largest along the middle dimension. Floats in f32, rounded once at the
// store; integers wrap.
#include "codelets/constants.h"
#include "codelets/fold.tile.h"

using namespace tessera;

extern "C" const ReduceConstants reduce_constants;

namespace {

template <class V>
TILE_INLINE void reduce_all(const VertexOperand& x, const VertexOperand& out) {
  const ReduceConstants& constants = reduce_constants;
  for_each_group(x, [&](int64_t o, int64_t column, const Lines& lines) {
    V result = line_at<V>(constants.x, x, lines, 0);
    for (int64_t k = 1; k < x.size[1]; ++k) {
      const V next = line_at<V>(constants.x, x, lines, k);
      result = constants.takes_max != 0 ? larger(result, next) : plus(result, next);
    }
    const int64_t lane_stride = x.size[2] == 1 ? out.stride[0] : 1;
    store_lanes<V>(constants.out, out.data, o * out.stride[0] + column, lane_stride, lines.count,
                   result);
  });
}

}  // namespace

extern "C" void reduce(const VertexOperand* operands, void*) {
  if (is_float(reduce_constants.x)) {
    reduce_all<v16>(operands[0], operands[1]);
  } else {
    reduce_all<i16>(operands[0], operands[1]);
  }
}
