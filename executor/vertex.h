// SPDX-License-Identifier: Apache-2.0
// Filling in what a vertex is handed, from the tables of its step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "codelets/abi.h"
#include "executor/loaded_step.h"
#include "program/boxes.h"

namespace tessera {

// Nothing in it yet: every size 1, as the ABI wants it past the rank.
inline VertexOperand blank_operand() {
  VertexOperand operand{};
  for (int64_t& size : operand.size) size = 1;
  return operand;
}

// Sizes, begins and strides in the whole variable; returns the region's first element in it.
inline int64_t set_region(const LoadedOperand& loaded, const Position& position,
                          VertexOperand& operand) {
  int64_t first = 0;
  for (size_t d = 0; d < loaded.dims.size(); ++d) {
    const Range& range = loaded.range(d, position);
    operand.size[d] = range.size();
    operand.begin[d] = range.begin;
    operand.stride[d] = range.size() == 1 ? 0 : loaded.dims[d].stride;
    first += range.begin * loaded.dims[d].stride;
  }
  return first;
}

}  // namespace tessera
