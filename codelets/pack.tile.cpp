// SPDX-License-Identifier: Apache-2.0
// pack: segments on a line of tokens, out of one padded row a segment.
#include "codelets/constants.h"
#include "codelets/move.tile.h"
#include "codelets/segments.tile.h"

using namespace tessera;

extern "C" const PackConstants pack_constants;

namespace {

// Token `at` of segment i, or 0 where x does not hold it, at token `to` of the line.
void fill_token(const VertexOperand& x, const VertexOperand& out, int64_t i, int64_t at,
                int64_t to) {
  const Mover mover{size_of(pack_constants.element)};
  const int64_t out_at = (to - out.begin[0]) * out.stride[0];
  if (holds(x, 0, i) && holds(x, 1, at)) {
    const int64_t from = (i - x.begin[0]) * x.stride[0] + (at - x.begin[1]) * x.stride[1];
    mover.copy(x, from, out, out_at, out.size[1]);
  } else {
    mover.zero(out, out_at, out.size[1]);
  }
}

// Segments that may stand anywhere, also in each other: the last one that has a token gives it.
void pack_by_starts(const VertexOperand& x, const VertexOperand& out, const Segments& segments) {
  const int64_t line_begin = out.begin[0], line_end = out.begin[0] + out.size[0];
  const Mover mover{size_of(pack_constants.element)};
  for (int64_t t = 0; t < out.size[0]; ++t) mover.zero(out, t * out.stride[0], out.size[1]);
  for (int64_t i = 0; i < segments.count(); ++i) {
    const int64_t first = segments.start(i, 0), end = first + segments.length(i);
    for (int64_t token = first > line_begin ? first : line_begin; token < end && token < line_end;
         ++token)
      fill_token(x, out, i, token - first, token);
  }
}

}  // namespace

extern "C" void pack(const VertexOperand* operands, void*) {
  const VertexOperand& out = operands[2];
  const Segments segments(operands[1], pack_constants.has_starts != 0);
  if (pack_constants.has_starts != 0) return pack_by_starts(operands[0], out, segments);
  const int64_t line_end = out.begin[0] + out.size[0];
  int64_t token = out.begin[0];  // the next to fill
  int64_t first = 0;             // of segment i
  for (int64_t i = 0; i < segments.count() && token < line_end; ++i) {
    const int64_t end = first + segments.length(i);
    for (; token < end && token < line_end; ++token) {
      fill_token(operands[0], out, i, token - first, token);
    }
    first = end;
  }
  const Mover mover{size_of(pack_constants.element)};
  for (; token < line_end; ++token) {
    mover.zero(out, (token - out.begin[0]) * out.stride[0], out.size[1]);
  }
}
