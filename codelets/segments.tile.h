// SPDX-License-Identifier: Apache-2.0
// Segments laid end to end on one line of tokens, given by their lengths. Lengths are data and may
// be anything: one below 0 counts as 0, and one that is not given is 0.
#pragma once

#include "codelets/abi.h"

namespace tessera {

class Segments {
 public:
  explicit Segments(const VertexOperand& info) : info_(info) {}

  int64_t count() const { return info_.size[0]; }
  int64_t length(int64_t i) const {
    const int64_t given =
        i < count() ? static_cast<const int32_t*>(info_.data)[i * info_.stride[0]] : 0;
    return given > 0 ? given : 0;
  }

 private:
  const VertexOperand& info_;
};

// Is global index `i` of dimension `d` in the operand's box?
inline bool holds(const VertexOperand& operand, int d, int64_t i) {
  return i >= operand.begin[d] && i < operand.begin[d] + operand.size[d];
}

}  // namespace tessera
