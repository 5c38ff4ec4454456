// SPDX-License-Identifier: Apache-2.0
// unpack: one padded row a segment, out of segments laid end to end.
#include "codelets/unpack.h"

#include "codelets/move.tile.h"
#include "codelets/segments.tile.h"

using namespace tessera;

extern "C" const UnpackConstants unpack_constants;

namespace {

struct Unpacker {
  const VertexOperand& x;
  const VertexOperand& out;
  Mover mover{size_of(unpack_constants.element)};

  void zero_all() const {
    for (int64_t s = 0; s < out.size[0]; ++s) {
      for (int64_t l = 0; l < out.size[1]; ++l) {
        mover.zero(out, s * out.stride[0] + l * out.stride[1], out.size[2]);
      }
    }
  }

  // The tokens of segment number i that both boxes hold.
  void take(int64_t i, Segment segment) const {
    const int64_t s = i - out.begin[0];
    if (s < 0 || s >= out.size[0]) return;
    const int64_t first = larger(segment.begin + out.begin[1], x.begin[0]);
    const int64_t last = smaller(smaller(segment.end, segment.begin + out.begin[1] + out.size[1]),
                                 x.begin[0] + x.size[0]);
    for (int64_t token = first; token < last; ++token) {
      const int64_t l = token - segment.begin - out.begin[1];
      mover.copy(x, (token - x.begin[0]) * x.stride[0], out, s * out.stride[0] + l * out.stride[1],
                 out.size[2]);
    }
  }
};

}  // namespace

extern "C" void unpack(const VertexOperand* operands, void*) {
  const Unpacker unpacker{operands[0], operands[2]};
  unpacker.zero_all();
  const int64_t line_end = operands[0].begin[0] + operands[0].size[0];
  for_each_segment(operands[1], line_end,
                   [&](int64_t i, Segment segment) { unpacker.take(i, segment); });
}
