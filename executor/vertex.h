// SPDX-License-Identifier: Apache-2.0
// Filling in what a vertex is handed, from the tables of its step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "codelets/abi.h"
#include "executor/step_plan.h"

namespace tessera {

// Nothing in it yet: every size 1, as the ABI wants it past the rank.
inline VertexOperand blank_operand() {
  VertexOperand operand{};
  for (int64_t& size : operand.size) size = 1;
  return operand;
}

// Sizes, begins and strides in the whole variable; returns the region's first element in it.
inline int64_t set_region(const OperandPlan& plan, const Position& position,
                          VertexOperand& operand) {
  int64_t first = 0;
  for (size_t d = 0; d < plan.dims.size(); ++d) {
    const Range& range = plan.range(d, position);
    operand.size[d] = range.size();
    operand.begin[d] = range.begin;
    operand.stride[d] = range.size() == 1 ? 0 : plan.dims[d].stride;
    first += range.begin * plan.dims[d].stride;
  }
  return first;
}

// The operand over the whole variable that begins at `base`.
inline void set_operand(const OperandPlan& plan, std::byte* base, const Position& position,
                        VertexOperand& operand) {
  operand.data = base + set_region(plan, position, operand) * plan.element_bytes;
}

// Numbers the distinct regions of an operand over its grid: position · stride is the number.
struct RegionKey {
  std::vector<int64_t> stride;  // by grid axis; 0 where the region does not move along it
  int64_t count = 1;

  int64_t of(const Position& position) const {
    int64_t key = 0;
    for (size_t a = 0; a < position.size(); ++a) key += position[a] * stride[a];
    return key;
  }
};
RegionKey region_key(const OperandPlan& operand, const std::vector<int64_t>& extent);

}  // namespace tessera
