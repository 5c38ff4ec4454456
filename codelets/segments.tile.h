// SPDX-License-Identifier: Apache-2.0
// Segments laid end to end on one line of tokens, given by their lengths. Lengths are data and may
// be anything: one below 0 counts as 0, and what would stand past the line's end is not there.
#pragma once

#include "codelets/abi.h"

namespace tessera {

struct Segment {
  int64_t begin, end;  // on the line
};

// Calls visit(i, segment) for every segment that begins before `line_end`, in order.
template <class Visit>
inline void for_each_segment(const VertexOperand& info, int64_t line_end, Visit visit) {
  const auto* lengths = static_cast<const int32_t*>(info.data);
  int64_t begin = 0;
  for (int64_t i = 0; i < info.size[0] && begin < line_end; ++i) {
    const int64_t length = lengths[i * info.stride[0]];
    const int64_t end = length > 0 ? begin + length : begin;
    visit(i, Segment{begin, end});
    begin = end;
  }
}

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

}  // namespace tessera
