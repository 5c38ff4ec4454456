// SPDX-License-Identifier: Apache-2.0
// unpack: one padded row a segment, out of segments on a line of tokens.
#include "codelets/constants.h"
#include "codelets/move.tile.h"
#include "codelets/segments.tile.h"

using namespace tessera;

extern "C" const UnpackConstants unpack_constants;

namespace {

// Row s of out: the segment that begins at token `first`, as far as both boxes hold it, else 0.
void fill_row(const VertexOperand& x, const VertexOperand& out, int64_t s, int64_t first,
              int64_t length) {
  const Mover mover{size_of(unpack_constants.element)};
  for (int64_t l = 0; l < out.size[1]; ++l) {
    const int64_t at = out.begin[1] + l;
    const int64_t to = s * out.stride[0] + l * out.stride[1];
    if (at < length && holds(x, 0, first + at)) {
      mover.copy(x, (first + at - x.begin[0]) * x.stride[0], out, to, out.size[2]);
    } else {
      mover.zero(out, to, out.size[2]);
    }
  }
}

}  // namespace

extern "C" void unpack(const VertexOperand* operands, void*) {
  const VertexOperand& out = operands[2];
  const Segments segments(operands[1], unpack_constants.has_starts != 0);
  int64_t next = 0;
  for (int64_t i = 0; i < out.begin[0] + out.size[0]; ++i) {
    const int64_t first = segments.start(i, next);
    const int64_t length = segments.length(i);
    if (i >= out.begin[0]) fill_row(operands[0], out, i - out.begin[0], first, length);
    next = first + length;
  }
}
