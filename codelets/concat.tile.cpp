// SPDX-License-Identifier: Apache-2.0
// concat: the inputs one after the other along the middle dimension.
#include "codelets/constants.h"
#include "codelets/move.tile.h"

using namespace tessera;

extern "C" const ConcatConstants concat_constants;

namespace {

// The rows of one input, as one run where they lie side by side in both.
void place(const VertexOperand& in, const VertexOperand& out, int64_t first_row) {
  const Mover mover{size_of(concat_constants.element)};
  const int64_t rows = in.size[1], n = in.size[2];
  const bool one_run = (rows == 1 || in.stride[1] == n) && out.stride[1] == n;
  for (int64_t o = 0; o < in.size[0]; ++o) {
    const int64_t from = o * in.stride[0];
    const int64_t to = o * out.stride[0] + first_row * out.stride[1];
    if (one_run) {
      mover.copy(in, from, out, to, rows * n);
      continue;
    }
    for (int64_t k = 0; k < rows; ++k) {
      mover.copy(in, from + k * in.stride[1], out, to + k * out.stride[1], n);
    }
  }
}

}  // namespace

extern "C" void concat(const VertexOperand* operands, void*) {
  int64_t first_row = 0;
  for (int64_t i = 0; i < concat_constants.inputs; ++i) {
    place(operands[i], operands[concat_constants.inputs], first_row);
    first_row += operands[i].size[1];
  }
}
