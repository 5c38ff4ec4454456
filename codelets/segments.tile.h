// SPDX-License-Identifier: Apache-2.0
// Segments on one line of tokens: the lengths of those that are laid end to end, or the start and
// length of each. These are data and may be anything: a length below 0 counts as 0, and a segment
// that is not given has none.
#pragma once

#include "codelets/abi.h"

namespace tessera {

class Segments {
 public:
  Segments(const VertexOperand& info, bool has_starts) : info_(info), has_starts_(has_starts) {}

  int64_t count() const { return info_.size[0]; }
  int64_t length(int64_t i) const {
    const int64_t given = i < count() ? number(i, has_starts_ ? 1 : 0) : 0;
    return given > 0 ? given : 0;
  }
  // `next` is where those before it end.
  int64_t start(int64_t i, int64_t next) const {
    return has_starts_ && i < count() ? number(i, 0) : next;
  }

 private:
  int64_t number(int64_t i, int64_t column) const {
    return static_cast<const int32_t*>(info_.data)[i * info_.stride[0] + column * info_.stride[1]];
  }

  const VertexOperand& info_;
  const bool has_starts_;
};

// Is global index `i` of dimension `d` in the operand's box?
inline bool holds(const VertexOperand& operand, int d, int64_t i) {
  return i >= operand.begin[d] && i < operand.begin[d] + operand.size[d];
}

}  // namespace tessera
