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

// Of a gather's parameters, which must have been checked; nothing where all indices are proved.
std::optional<IndexRule> index_rule(const std::vector<Param>& params);

}  // namespace tessera
