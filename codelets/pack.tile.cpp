// SPDX-License-Identifier: Apache-2.0
// pack: segments laid end to end, out of one padded row a segment.
#include "codelets/pack.h"

#include "codelets/move.tile.h"
#include "codelets/segments.tile.h"

using namespace tessera;

extern "C" const PackConstants pack_constants;

namespace {

struct Packer {
  const VertexOperand& x;
  const VertexOperand& out;
  Mover mover{size_of(pack_constants.element)};

  void zero_all() const {
    for (int64_t t = 0; t < out.size[0]; ++t) mover.zero(out, t * out.stride[0], out.size[1]);
  }

  // The tokens of segment number i that both boxes hold.
  void put(int64_t i, Segment segment) const {
    const int64_t q = i - x.begin[0];
    if (q < 0 || q >= x.size[0]) return;
    const int64_t first = larger(segment.begin + x.begin[1], out.begin[0]);
    const int64_t last = smaller(smaller(segment.end, segment.begin + x.begin[1] + x.size[1]),
                                 out.begin[0] + out.size[0]);
    for (int64_t token = first; token < last; ++token) {
      const int64_t l = token - segment.begin - x.begin[1];
      mover.copy(x, q * x.stride[0] + l * x.stride[1], out, (token - out.begin[0]) * out.stride[0],
                 out.size[1]);
    }
  }
};

}  // namespace

extern "C" void pack(const VertexOperand* operands, void*) {
  const Packer packer{operands[0], operands[2]};
  packer.zero_all();
  const int64_t line_end = operands[2].begin[0] + operands[2].size[0];
  for_each_segment(operands[1], line_end,
                   [&](int64_t i, Segment segment) { packer.put(i, segment); });
}
