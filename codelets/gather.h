// SPDX-License-Identifier: Apache-2.0
// The rule that a gather carries where nothing has proved that all its indices are in its table.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "program/program.h"

namespace tessera {

inline constexpr size_t kGatherIndices = 1;  // the operand

struct IndexRule {
  int64_t rows = 0;      // of the whole table; an index is one of them, or the run is at fault
  Shape shape;           // of the indices in the model, for messages
  bool by_cell = false;  // index i is computed for element i of inputs that are as large
};

// The rule of a compute set, which must have been checked. There is none if it is not a gather, or
// if all its indices are proved.
std::optional<IndexRule> index_rule(const ComputeSet& set);

// The largest magnitude that a cast of floats may make, where nothing has proved that 32 bits hold
// what it makes: "within" of an elementwise compute set, which must have been checked.
std::optional<int64_t> cast_rule(const ComputeSet& set);

}  // namespace tessera
