// SPDX-License-Identifier: Apache-2.0
#include "codelets/constants.h"
#include "codelets/host_side.h"
#include "codelets/rules.h"
#include "codelets/segments.h"

namespace tessera::codelets {
namespace {

Status check(const VertexShape& shape) { return check_segments("pack", shape, 3, 2); }

Cycles cycles(const VertexShape& shape, const Target& target) {
  const OperandShape& out = shape.operands[2];
  return segment_cycles(shape, out.size[0], out.size[1] * size_of(out.dtype), target);
}

// Segments that may stand anywhere may all stand on one token, which then takes as many copies.
int64_t weight(const VertexShape& shape) {
  const int64_t copies = has_segment_starts(shape) ? 1 + shape.operands[1].size[0] : 1;
  return Extents::kElementWeight * copies;
}

Extents extents(const VertexShape& shape) {
  return {
      {"..N", has_segment_starts(shape) ? ".." : ".", "TN"},
      {{'T', 1}, {'N', 64}},
      weight(shape)
  };
}

}  // namespace

Codelet pack() {
  return {.check = check,
          .cycles = cycles,
          .code_bytes = 512,
          .state_bytes = always<32>,
          .constants = segment_constants<PackConstants>,
          .extents = extents};
}

}  // namespace tessera::codelets
