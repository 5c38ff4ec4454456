// SPDX-License-Identifier: Apache-2.0
// A Program's memory and time, IPU by IPU.
#pragma once

#include <cstdint>
#include <vector>

#include "cost/cost.h"
#include "program/program.h"
#include "program/target.h"

namespace tessera {

struct IpuUse {
  int64_t ipu = 0;
  TileId fullest;                                 // numbered over all IPUs
  int64_t peak_bytes = 0, always_live_bytes = 0;  // of that tile
  int64_t supersteps = 0;                         // in which it computes
  Cycles cycles, links;                           // of those; links are among the cycles
};
std::vector<IpuUse> uses_of_ipus(const Program& program, const ProgramCost& cost,
                                 const MemoryReport& memory);
// By IPU and superstep: bytes on the IPU's fullest tile. The Program must be verified.
std::vector<std::vector<int64_t>> live_by_ipu(const Program& program,
                                              const std::vector<IpuUse>& uses);

}  // namespace tessera
