// SPDX-License-Identifier: Apache-2.0
#include "cost/by_ipu.h"

#include <algorithm>

#include "cost/accounting.h"
#include "program/boxes.h"

namespace tessera {

std::vector<IpuUse> uses_of_ipus(const Program& program, const ProgramCost& cost,
                                 const MemoryReport& memory) {
  std::vector<IpuUse> uses(static_cast<size_t>(program.target.ipus));
  for (size_t i = 0; i < uses.size(); ++i) {
    IpuUse& use = uses[i];
    use.ipu = static_cast<int64_t>(i);
    const auto begin = memory.peak_by_tile.begin() + use.ipu * program.target.tiles;
    const auto fullest = std::max_element(begin, begin + program.target.tiles);
    const auto tile = static_cast<size_t>(fullest - memory.peak_by_tile.begin());
    use.fullest.value = static_cast<uint32_t>(tile);
    use.peak_bytes = *fullest;
    use.always_live_bytes = memory.always_live_by_tile[tile];
  }
  for (size_t s = 0; s < cost.steps.size(); ++s) {
    const SuperstepCost& step = cost.steps[s];
    const Range on = ipus_of(program.supersteps[s].compute.grid, program.target);
    for (int64_t ipu = on.begin; ipu < on.end; ++ipu) {
      IpuUse& use = uses[static_cast<size_t>(ipu)];
      ++use.supersteps;
      use.cycles += step.rearrange + step.exchange + step.compute + step.sync;
      use.links += step.links;
    }
  }
  return uses;
}

std::vector<std::vector<int64_t>> live_by_ipu(const Program& program,
                                              const std::vector<IpuUse>& uses) {
  const Accounting accounting = Accounting::of(program, nullptr).take();
  std::vector<std::vector<int64_t>> live;
  for (const IpuUse& use : uses) {
    const size_t tile = use.fullest.value;
    const std::vector<int64_t> variables = accounting.variables_by_step(tile);
    live.emplace_back();
    for (size_t step = 0; step < program.supersteps.size(); ++step)
      live.back().push_back(accounting.use_of(tile, step, variables[step]).total());
  }
  return live;
}

}  // namespace tessera
