// SPDX-License-Identifier: Apache-2.0
// softmax: each row's exp(x - max) over their sum. In f32 whatever the rows are stored in; the
// exponentials are computed twice rather than kept, because out may be too narrow to hold them.
#include "codelets/constants.h"
#include "codelets/math.tile.h"

using namespace tessera;

extern "C" const SoftmaxConstants softmax_constants;

namespace {

struct Row {
  const void* x;
  int64_t at;  // element where the row begins
  int64_t n;

  TILE_INLINE v16 lanes(int64_t i) const {
    return load_upto(softmax_constants.x, x, at + i, n - i, -__builtin_inff());
  }
};

void softmax_row(const Row& row, void* out, int64_t out_at) {
  v16 most = row.lanes(0);
  for (int64_t i = kLanes; i < row.n; i += kLanes) most = max(most, row.lanes(i));
  const v16 top = splat(max_of_lanes(most));
  v16 sum = splat(0);
  for (int64_t i = 0; i < row.n; i += kLanes) sum += exp(row.lanes(i) - top);
  const v16 total = splat(sum_of_lanes(sum));
  for (int64_t i = 0; i < row.n; i += kLanes) {
    const v16 share = exp(row.lanes(i) - top) / total;
    store_upto(softmax_constants.out, out, out_at + i, row.n - i, share);
  }
}

}  // namespace

extern "C" void softmax(const VertexOperand* operands, void*) {
  const VertexOperand& x = operands[0];
  const VertexOperand& out = operands[1];
  for (int64_t r = 0; r < x.size[0]; ++r) {
    softmax_row({x.data, r * x.stride[0], x.size[1]}, out.data, r * out.stride[0]);
  }
}
