// SPDX-License-Identifier: Apache-2.0
#include "compiler/shard_to_fit.h"

#include <algorithm>
#include <optional>

#include "compiler/lower/shard.h"
#include "cost/cost.h"
#include "program/isolation.h"

namespace tessera {
namespace {

std::vector<ShardCut> cuts_of(const ManualSharding& sharding) {
  std::vector<ShardCut> cuts;
  for (const ShardEntry& entry : sharding.entries)
    cuts.push_back({entry.node, entry.device, entry.stage});
  return cuts;
}

struct Tried {
  Lowered lowered;
  double seconds = 0;
  int64_t peak_bytes = 0;
  bool fits = false;

  // One that fits is better, and then one with less of what counts.
  bool better_than(const Tried& other) const {
    if (fits != other.fits) return fits;
    return fits ? seconds < other.seconds : peak_bytes < other.peak_bytes;
  }
};

Expected<Tried> tried(Lowered lowered, const CompileOptions& options, const Deadline& deadline) {
  Tried result{std::move(lowered)};
  result.lowered.program.host.batches_per_step = options.batches_per_step;
  WorkLimit for_cost(options.limits, deadline), for_memory(options.limits, deadline);
  result.seconds = TRY(program_cost(result.lowered.program, for_cost)).seconds_per_batch;
  const MemoryReport memory = TRY(program_memory(result.lowered.program, for_memory));
  result.peak_bytes = memory.peak_by_tile[memory.fullest.value];
  result.fits = memory.fits;
  return result;
}

Expected<Lowered> cut_automatically(const Graph& graph, LowerOptions lowering,
                                    const CompileOptions& options, const Deadline& deadline,
                                    const LowerToFit& lower_to_fit) {
  LowerOptions one = lowering;
  one.target.ipus = 1;
  const Lowered whole = TRY(lower(graph, one, &deadline));
  WorkLimit work(lowering.limits, deadline);
  const ProgramCost cost = TRY(program_cost(whole.program, work));
  std::optional<Tried> best;
  Placements chosen;
  for (Placements& cut :
       cuts_by_cost(graph, whole, cost, lowering.target, options.enable_pipelining)) {
    lowering.placements = cut;
    Tried next = TRY(tried(TRY(lower(graph, lowering, &deadline)), options, deadline));
    if (best && !next.better_than(*best)) continue;
    best = std::move(next);
    chosen = std::move(cut);
  }
  if (best->fits) return std::move(best->lowered);
  lowering.placements = std::move(chosen);
  return lower_to_fit(graph, std::move(lowering), deadline);
}

// All IPUs compute each operation, split in each of the ways, and the fastest that fits is taken.
// None of them looks at the links, so that faster ones have the same to choose from.
Expected<Lowered> split_operations(const Graph& graph, LowerOptions lowering,
                                   const CompileOptions& options, const Deadline& deadline,
                                   const LowerToFit& lower_to_fit) {
  std::optional<Tried> best;
  for (const TensorSplit split :
       {TensorSplit::Columns, TensorSplit::LeastSent, TensorSplit::Rows}) {
    lowering.tensor = split;
    Tried next = TRY(tried(TRY(lower_to_fit(graph, lowering, deadline)), options, deadline));
    if (!best || next.better_than(*best)) best = std::move(next);
  }
  return std::move(best->lowered);
}

}  // namespace

Expected<Lowered> shard_to_fit(const Graph& graph, const LowerOptions& lowering,
                               const CompileOptions& options, const Deadline& deadline,
                               const LowerToFit& lower_to_fit) {
  if (options.sharding == Sharding::Auto)
    return cut_automatically(graph, lowering, options, deadline, lower_to_fit);
  if (options.sharding == Sharding::Tensor)
    return split_operations(graph, lowering, options, deadline, lower_to_fit);
  LowerOptions by_hand = lowering;
  by_hand.placements = TRY(cut_by_hand(graph, cuts_of(options.manual_sharding_config),
                                       lowering.target.ipus, options.enable_pipelining));
  return lower_to_fit(graph, std::move(by_hand), deadline);
}

}  // namespace tessera
