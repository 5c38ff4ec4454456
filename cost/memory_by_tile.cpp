// SPDX-License-Identifier: Apache-2.0
#include "cost/memory_by_tile.h"

#include <algorithm>
#include <memory>

#include "cost/accounting.h"
#include "program/boxes.h"

namespace tessera {

MemoryByTile memory_by_tile(const Program& program) {
  auto shared = std::make_shared<const Accounting>(Accounting::of(program, nullptr).take());
  const Accounting& accounting = *shared;
  const size_t tiles = accounting.tiles(), steps = program.supersteps.size();
  MemoryByTile memory;
  memory.lives = accounting.lives();
  memory.peak_step.resize(tiles);
  std::vector<int64_t> peak(tiles, -1);
  accounting.sweep([&](size_t step, const Accounting::ByTile& live) {
    for (size_t t = 0; t < tiles; ++t) {
      if (live[t] <= peak[t]) continue;
      peak[t] = live[t];
      memory.peak_step[t] = static_cast<int64_t>(step);
    }
    memory.receive_buffers.push_back(&accounting.buffers(step));
    memory.temporaries.push_back(&accounting.temporaries(step));
    memory.arranged.push_back(accounting.arranged(step));
  });
  for (size_t t = 0; t < tiles; ++t) {
    const auto step = static_cast<size_t>(memory.peak_step[t]);
    const int64_t variables = steps == 0 ? 0 : accounting.variables_by_step(t)[step];
    memory.at_peak.push_back(accounting.use_of(t, step, variables));
  }
  memory.owner_ = shared;
  return memory;
}

std::vector<int64_t> bytes_by_tile(const Program& program, const Variable& variable) {
  std::vector<int64_t> bytes(static_cast<size_t>(program.target.all_tiles()));
  for (size_t t = 0; t < bytes.size(); ++t)
    bytes[t] = bytes_on_tile(variable, TileId{static_cast<uint32_t>(t)});
  return bytes;
}

}  // namespace tessera
