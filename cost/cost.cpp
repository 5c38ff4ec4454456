// SPDX-License-Identifier: Apache-2.0
#include "cost/cost.h"

#include <algorithm>
#include <map>

#include "codelets/charges.h"
#include "codelets/codelet.h"
#include "cost/arrangement.h"
#include "cost/exchange.h"
#include "cost/host_io.h"
#include "cost/links.h"
#include "cost/pipeline.h"
#include "program/boxes.h"
#include "program/isolation.h"
#include "support/check.h"

namespace tessera {
namespace {

// A tile puts the parts of many runs that it sends together before the exchange, in these cycles.
Cycles arranged_cycles(const TileExchange& load, const Target& target) {
  if (load.arranged_bytes == 0) return {};
  return rearrange_cycles(load.arranged_bytes, load.arranged_run) + launch_cycles(2, target);
}

// Within `work`, or, where the Program is verified, without a limit.
Expected<std::vector<TileExchange>> priced_loads(const Program& program, const Superstep& step,
                                                 WorkLimit* work) {
  return work ? exchange_loads(program, step, *work) : exchange_loads(program, step);
}

void add_exchange(const Program& program, const std::vector<TileExchange>& loads,
                  SuperstepCost& cost) {
  for (const TileExchange& load : loads) {
    cost.exchange = std::max(cost.exchange, exchange_cycles(load, program.target));
    cost.exchange_bytes += load.received_bytes;
    cost.max_receive_bytes = std::max(cost.max_receive_bytes, load.received_bytes);
    cost.messages += load.received_messages;
    cost.rearrange = std::max(cost.rearrange, arranged_cycles(load, program.target));
  }
}

// A sync of one IPU does where nothing leaves it.
void add_links(const LinkLoad& load, const Target& target, SuperstepCost& cost) {
  cost.link_bytes = load.sent_bytes;
  if (load.hops == 0) return;
  cost.links = link_cycles(load, target);
  cost.exchange += cost.links;
  cost.sync += ipu_sync_cycles(target);
}

void add_compute(const Program& program, const ComputeSet& set, SuperstepCost& cost) {
  const Codelet* codelet = find_codelet(set.codelet);
  CHECK(codelet != nullptr);
  const VertexClasses classes = alike_vertices(set);
  std::vector<uint64_t> cycles;
  for (int64_t k : classes.representative)
    cycles.push_back(codelet->cycles(vertex_shape(program, set, k), program.target).value);
  double sum = 0;
  for (int32_t which : classes.of_vertex) sum += static_cast<double>(cycles[which]);
  cost.compute.value = *std::max_element(cycles.begin(), cycles.end());
  cost.active_tiles = static_cast<int64_t>(classes.of_vertex.size());
  if (cost.compute.value > 0)
    cost.balance =
        sum / static_cast<double>(cost.active_tiles) / static_cast<double>(cost.compute.value);
}

// Without the rearrangement that depends on who wrote the operands.
Expected<SuperstepCost> own_cost(const Program& program, const Superstep& step, WorkLimit* work) {
  SuperstepCost cost;
  cost.sync.value = static_cast<uint64_t>(program.target.sync_cycles + program.target.setup_cycles);
  add_exchange(program, TRY(priced_loads(program, step, work)), cost);
  add_links(work ? TRY(link_load(program, step, *work)) : link_load(program, step), program.target,
            cost);
  add_compute(program, step.compute, cost);
  return cost;
}

void add_seconds(const Program& program, ProgramCost& cost) {
  const PipelineCost pipeline = pipeline_cost(program, cost.steps);
  const double tick = static_cast<double>(pipeline.tick.value) / program.target.clock_hz;
  const int64_t batches = program.host.batches_per_step;
  const double ticks = static_cast<double>(pipeline.ticks(batches)) / static_cast<double>(batches);
  cost.host_seconds = host_seconds(program, tick);
  cost.seconds_per_batch = tick * ticks + cost.host_seconds;
  cost.latency_seconds = tick * static_cast<double>(pipeline.stages.size()) + cost.host_seconds;
}

Expected<ProgramCost> cost_of(const Program& program, WorkLimit* work) {
  ProgramCost cost;
  const std::vector<Arrangement> written = written_arrangements(program);
  std::map<std::string, SuperstepCost> known;  // a model's layers repeat
  for (const Superstep& step : program.supersteps) {
    const auto [at, is_new] =
        known.try_emplace(exchange_key(program, step) + '|' + compute_key(program, step.compute));
    if (is_new) at->second = TRY(own_cost(program, step, work));
    if (work) TRY(work->spend(1));
    cost.steps.push_back(at->second);
    cost.steps.back().rearrange += arrange_cycles(program, step, written);
    cost.rearrange += cost.steps.back().rearrange;
    cost.exchange += at->second.exchange;
    cost.links += at->second.links;
    cost.compute += at->second.compute;
    cost.sync += at->second.sync;
  }
  cost.total = cost.compute + cost.rearrange + cost.exchange + cost.sync;
  add_seconds(program, cost);
  return cost;
}

}  // namespace

SuperstepCost superstep_cost(const Program& program, const Superstep& step) {
  SuperstepCost cost = own_cost(program, step, nullptr).take();
  cost.rearrange += arrange_cycles(program, step, written_arrangements(program));
  return cost;
}

std::vector<TileCycles> cycles_by_tile(const Program& program, const Superstep& step) {
  const Target& target = program.target;
  const Cycles arranging = arrange_cycles(program, step, written_arrangements(program));
  const Range arrange = ipus_of(step.compute.grid, target);
  const LinkLoad links = link_load(program, step);
  const std::vector<TileExchange> loads = exchange_loads(program, step);
  std::vector<TileCycles> tiles(loads.size());
  for (size_t i = 0; i < loads.size(); ++i) {
    const int64_t ipu = target.ipu_of(static_cast<int64_t>(i));
    tiles[i].rearrange = arranged_cycles(loads[i], target);
    tiles[i].exchange = exchange_cycles(loads[i], target);
    if (arrange.begin <= ipu && ipu < arrange.end) tiles[i].rearrange += arranging;
    if (uses_links(links, ipu)) tiles[i].exchange += link_cycles(links, target);
  }
  const Codelet* codelet = find_codelet(step.compute.codelet);
  CHECK(codelet != nullptr);
  for (int64_t k = 0; k < vertex_count(step.compute.grid); ++k)
    tiles[static_cast<size_t>(tile_of(step.compute.grid, k))].compute =
        codelet->cycles(vertex_shape(program, step.compute, k), program.target);
  return tiles;
}

ProgramCost program_cost(const Program& program) { return cost_of(program, nullptr).take(); }

Expected<ProgramCost> program_cost(const Program& program, WorkLimit& work) {
  return cost_of(program, &work);
}

}  // namespace tessera
