// SPDX-License-Identifier: Apache-2.0
// What a gather says of its indices, where nothing has proved that its table has them all.
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

// Of a compute set that has been checked; nothing where it is not a gather, or all its indices are
// proved.
std::optional<IndexRule> index_rule(const ComputeSet& set);

}  // namespace tessera
