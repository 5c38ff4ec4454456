// SPDX-License-Identifier: Apache-2.0
// The memory of every tile at every superstep, as the parts that it is the sum of: what a report
// draws. program_memory (cost.h) says the same of the fullest tile.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cost/cost.h"
#include "program/program.h"

namespace tessera {

// Lost between variables that come and go, in percent of their bytes, rounded up: docs/model.md.
inline constexpr int64_t kGapPercent = 4;

// First and last superstep at which a variable's bytes are there; none if last < first. A constant
// has none: it is always there.
struct Life {
  int64_t first = 0, last = -1;
};

struct MemoryByTile {
  std::vector<MemoryUse> at_peak;  // by tile, each at its own peak
  std::vector<int64_t> peak_step;  // by tile
  std::vector<Life> lives;         // by variable
  // By superstep, and there by tile.
  std::vector<const std::vector<int64_t>*> receive_buffers, temporaries;
  std::vector<int64_t> arranged;  // by superstep: temporaries of each tile of the IPUs that compute

 private:
  friend MemoryByTile memory_by_tile(const Program& program);
  std::shared_ptr<const void> owner_;
};
// The Program must be verified.
MemoryByTile memory_by_tile(const Program& program);

// By tile: bytes of its blocks of a variable.
std::vector<int64_t> bytes_by_tile(const Program& program, const Variable& variable);

}  // namespace tessera
