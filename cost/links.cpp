// SPDX-License-Identifier: Apache-2.0
#include "cost/links.h"

#include <algorithm>
#include <cmath>

#include "program/boxes.h"
#include "program/overlap.h"

namespace tessera {
namespace {

constexpr double kMostLinkCycles =
    1e18;  // links of a target that stands in a file may carry nothing

Cycles cycles_of(double seconds, const Target& target) {
  return {static_cast<uint64_t>(std::ceil(std::min(kMostLinkCycles, seconds * target.clock_hz)))};
}

// By distinct box: the IPUs that want it.
std::vector<std::vector<bool>> receivers_of(const Transfer& transfer, const VertexClasses& classes,
                                            const Target& target) {
  std::vector<std::vector<bool>> receivers(classes.representative.size(),
                                           std::vector<bool>(static_cast<size_t>(target.ipus)));
  for (size_t k = 0; k < classes.of_vertex.size(); ++k) {
    const int64_t tile = tile_of(transfer.grid, static_cast<int64_t>(k));
    receivers[static_cast<size_t>(classes.of_vertex[k])][static_cast<size_t>(target.ipu_of(tile))] =
        true;
  }
  return receivers;
}

// Sends what lies on `from` to each of `wanted` but itself, on links that carry it once.
void send(int64_t from, int64_t bytes, const std::vector<bool>& wanted, LinkLoad& load) {
  const auto ipus = static_cast<int64_t>(wanted.size());
  int64_t ahead = 0, behind = 0;  // the farthest that is reached each way
  for (int64_t to = 0; to < ipus; ++to) {
    if (to == from || !wanted[static_cast<size_t>(to)]) continue;
    const int64_t distance = (to - from + ipus) % ipus;
    load.sent_bytes += bytes;
    if (2 * distance <= ipus)
      ahead = std::max(ahead, distance);
    else
      behind = std::max(behind, ipus - distance);
  }
  for (int64_t i = 0; i < ahead; ++i) load.forward[static_cast<size_t>((from + i) % ipus)] += bytes;
  for (int64_t i = 0; i < behind; ++i)
    load.backward[static_cast<size_t>((from - i + ipus) % ipus)] += bytes;
  load.hops = std::max({load.hops, ahead, behind});
}

Status add(const Program& program, const Transfer& transfer, WorkLimit* work, LinkLoad& load) {
  const Target& target = program.target;
  const Variable& variable = program.variables[static_cast<size_t>(transfer.region.variable)];
  const VertexClasses classes = shared_boxes(transfer.region, transfer.grid);
  const auto receivers = receivers_of(transfer, classes, target);
  for (size_t i = 0; i < receivers.size(); ++i) {
    const Box box =
        box_at(transfer.region, grid_position(transfer.grid, classes.representative[i]));
    if (work) TRY(work->spend(comparison_steps(variable.mapping, transfer.region.view, box)));
    for (const Source& source : sources_of(variable.mapping, transfer.region.view, box))
      send(target.ipu_of(tile_of(variable.mapping, source.block)),
           source.elements * size_of(variable.dtype), receivers[i], load);
  }
  return {};
}

Expected<LinkLoad> load_of(const Program& program, const Superstep& step, WorkLimit* work) {
  LinkLoad load;
  if (program.target.ipus == 1) return load;
  load.forward.resize(static_cast<size_t>(program.target.ipus));
  load.backward.resize(static_cast<size_t>(program.target.ipus));
  for (const Transfer& transfer : step.exchange) TRY(add(program, transfer, work, load));
  return load;
}

}  // namespace

LinkLoad link_load(const Program& program, const Superstep& step) {
  return load_of(program, step, nullptr).take();
}

Expected<LinkLoad> link_load(const Program& program, const Superstep& step, WorkLimit& work) {
  return load_of(program, step, &work);
}

double neighbour_bytes_per_second(const Target& target) {
  const double neighbours = target.ipus > 2 ? 2 : 1;
  return static_cast<double>(target.links) / neighbours * target.link_bytes_per_second *
         target.link_efficiency;
}

Cycles link_cycles(const LinkLoad& load, const Target& target) {
  if (load.hops == 0) return {};
  const int64_t busiest =
      std::max(*std::ranges::max_element(load.forward), *std::ranges::max_element(load.backward));
  const double seconds = static_cast<double>(busiest) / neighbour_bytes_per_second(target) +
                         static_cast<double>(load.hops) * target.link_hop_seconds;
  return cycles_of(seconds, target);
}

bool uses_links(const LinkLoad& load, int64_t ipu) {
  if (load.hops == 0) return false;
  const auto ipus = std::ssize(load.forward);
  const auto own = static_cast<size_t>(ipu);
  const auto next = static_cast<size_t>((ipu + 1) % ipus);
  const auto before = static_cast<size_t>((ipu - 1 + ipus) % ipus);
  return load.forward[own] + load.backward[own] + load.forward[before] + load.backward[next] > 0;
}

Cycles ipu_sync_cycles(const Target& target) {
  const int64_t farthest = target.ipus / 2;  // hops, either way round the ring
  return cycles_of(2 * static_cast<double>(farthest) * target.link_hop_seconds, target);
}

}  // namespace tessera
