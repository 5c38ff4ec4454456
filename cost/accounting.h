// SPDX-License-Identifier: Apache-2.0
// Memory of each tile over time. Always live: what the runtime reserves, stacks, the blocks of
// constants, a copy of each codelet that runs there, and vertex state, exchange code and control
// code, all three once for supersteps that differ only in their variables. Not always live: a
// variable from the superstep that writes it to the last that reads it, and what a superstep
// receives and its vertices need, while it lasts.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cost/cost.h"
#include "cost/exchange.h"
#include "cost/memory_by_tile.h"
#include "program/boxes.h"
#include "program/isolation.h"
#include "program/program.h"
#include "support/expected.h"

namespace tessera {

// Bytes that are lost between live_bytes that come and go.
int64_t gaps_of(int64_t live_bytes);

// Refers to the Program.
class Accounting {
 public:
  using ByTile = std::vector<int64_t>;

  // Without a limit where `work` is null.
  static Expected<Accounting> of(const Program& program, WorkLimit* work);

  size_t tiles() const { return tiles_; }
  const std::vector<Life>& lives() const { return lives_; }
  int64_t always_live(size_t tile) const;
  // Calls with the bytes by tile that are live at each superstep, and not always.
  void sweep(const std::function<void(size_t, const ByTile&)>& call) const;
  // Bytes of the variables that are not always live on a tile, by superstep.
  std::vector<int64_t> variables_by_step(size_t tile) const;
  // `variables`: of those that are not always live, on this tile at this superstep.
  MemoryUse use_of(size_t tile, size_t step, int64_t variables) const;
  // Codelets that run on a tile, largest first.
  std::vector<MemoryHolder> code_of(size_t tile) const;
  // All that is on a tile at a superstep, largest first.
  std::vector<MemoryHolder> holders(size_t tile, size_t step, const MemoryUse& use) const;

  const ByTile& buffers(size_t step) const { return buffers_[buffers_of_step_[step]]; }
  const ByTile& temporaries(size_t step) const { return temporaries_[temporaries_of_step_[step]]; }
  // On every tile of the IPUs that compute.
  int64_t arranged(size_t step) const { return arranged_[step]; }
  int64_t arranged(size_t step, size_t tile) const;

 private:
  Accounting(const Program& program, WorkLimit* work);
  void add_codelets();
  void add_code(const ComputeSet& set);
  void add_vertices(const ComputeSet& set);
  Status add_exchanges();
  Status keep_between_turns();
  Expected<std::vector<TileExchange>> loads_of(const Superstep& step);
  void add_exchange_code(const std::vector<TileExchange>& loads);
  void add_control();
  bool lives_at(size_t id, size_t step) const;
  void keep_stashes();
  int64_t bytes_on(size_t id, size_t tile) const;  // all copies

  const Program& program_;
  WorkLimit* work_;
  size_t tiles_;
  std::vector<Life> lives_;
  std::vector<int64_t> copies_;  // by variable: that a pipeline keeps (pipeline.h)
  ByTile constants_, code_, state_, exchange_code_;
  int64_t control_code_ = 0;  // the same on every tile
  size_t distinct_exchanges_ = 0;
  std::map<std::string, std::vector<bool>> codelets_;  // the tiles that have each one's code
  std::vector<ByTile> buffers_;                        // by distinct exchange
  std::vector<ByTile> temporaries_;                    // by distinct compute set
  std::vector<size_t> buffers_of_step_, temporaries_of_step_;
  std::vector<int64_t> arranged_;  // by superstep, the same on every tile of its IPUs
  std::vector<Range> ipus_;        // by superstep: those that compute
};

}  // namespace tessera
