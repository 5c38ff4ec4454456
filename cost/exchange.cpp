// SPDX-License-Identifier: Apache-2.0
#include "cost/exchange.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

#include "codelets/codelet.h"
#include "cost/kept.h"
#include "program/boxes.h"
#include "program/overlap.h"
#include "support/math.h"

namespace tessera {
namespace {

constexpr int64_t kCyclesPerFragment = 3;     // control instructions: docs/model.md
constexpr int64_t kMostFragments = 6;         // of one message
constexpr double kMostExchangeCycles = 1e18;  // a target of a file may exchange next to nothing

const Variable& variable_of(const Program& program, const Region& region) {
  return program.variables[static_cast<size_t>(region.variable)];
}

int64_t fragments_of(const Source& source) {
  return source.runs > kMostFragments ? 1 : source.runs;
}

void add_sent(const Source& source, int64_t bytes, TileExchange& load) {
  load.sent_bytes += source.elements * bytes;
  load.sent_messages += 1;
  load.sent_fragments += fragments_of(source);
  if (source.runs <= kMostFragments) return;
  const int64_t run = source.elements / source.runs * bytes;
  load.arranged_run = load.arranged_bytes == 0 ? run : std::min(load.arranged_run, run);
  load.arranged_bytes += source.elements * bytes;
}

// A distinct box of a transfer: where its parts lie, and how many vertices want it.
struct SharedBox {
  std::vector<Source> sources;
  int64_t elements = 0, runs = 0;
  int64_t receivers = 0;
  int64_t last_receiver = 0;  // its tile
};

Expected<std::vector<SharedBox>> boxes_of(const Transfer& transfer, const Mapping& mapping,
                                          const VertexClasses& classes, WorkLimit* work) {
  std::vector<SharedBox> boxes;
  int64_t steps = 0;
  for (int64_t k : classes.representative) {
    const Box box = box_at(transfer.region, grid_position(transfer.grid, k));
    const int64_t more = comparison_steps(mapping, transfer.region.view, box);
    if (work) TRY(work->spend(more));
    if (work) TRY(work->hold(steps += more, 2 * sizeof(Source)));
    boxes.push_back({sources_of(mapping, transfer.region.view, box), elements(box), 0, 0, 0});
    for (const Source& source : boxes.back().sources) boxes.back().runs += fragments_of(source);
  }
  for (size_t k = 0; k < classes.of_vertex.size(); ++k) {
    SharedBox& box = boxes[static_cast<size_t>(classes.of_vertex[k])];
    ++box.receivers;
    box.last_receiver = tile_of(transfer.grid, static_cast<int64_t>(k));
  }
  return boxes;
}

// The part of the box that lies in a block; none: no elements.
Source in_block(const SharedBox& box, int64_t block) {
  const auto at =
      std::lower_bound(box.sources.begin(), box.sources.end(), block,
                       [](const Source& source, int64_t number) { return source.block < number; });
  return at != box.sources.end() && at->block == block ? *at : Source{block, 0, 0};
}

Source in_tile(const SharedBox& box, const Mapping& mapping, int64_t tile) {
  return in_block(box, block_on(mapping, tile).value_or(-1));
}

// Neighbours on one bus that receive the same box: what neither has comes at the sum of their
// rates.
void add_shared(const Transfer& transfer, const VertexClasses& classes,
                const std::vector<SharedBox>& boxes, const Mapping& mapping, int64_t bytes,
                int64_t bus, std::vector<TileExchange>& loads) {
  const auto which = [&](int64_t t) {
    const std::optional<int64_t> k = vertex_on(transfer.grid, t);
    return k ? classes.of_vertex[static_cast<size_t>(*k)] : -1;
  };
  const Range tiles = tiles_of(transfer.grid);
  for (int64_t tile = round_up(tiles.begin, bus); tile + bus <= tiles.end; tile += bus) {
    const int32_t common = which(tile);
    if (common < 0) continue;
    const SharedBox& box = boxes[static_cast<size_t>(common)];
    int64_t elements = box.elements;
    for (int64_t t = tile; t < tile + bus; ++t)
      elements = which(t) == common ? elements - in_tile(box, mapping, t).elements : 0;
    if (elements <= 0) continue;
    for (int64_t t = tile; t < tile + bus; ++t)
      loads[static_cast<size_t>(t)].shared_bytes += elements * bytes;
  }
}

// A transfer receives nothing anew, or needs no buffer, in these cases.
struct Receipt {
  bool kept = false;      // there since an earlier turn: it only holds its buffer
  bool in_place = false;  // of an operand before it, when that is done with: it has no buffer
};

Status add_loads(const Transfer& transfer, const Variable& variable, Receipt receipt, int64_t bus,
                 WorkLimit* work, std::vector<TileExchange>& loads) {
  const int64_t bytes = size_of(variable.dtype);
  const Mapping& mapping = variable.mapping;
  const VertexClasses classes = shared_boxes(transfer.region, transfer.grid);
  const std::vector<SharedBox> boxes = TRY(boxes_of(transfer, mapping, classes, work));
  for (size_t k = 0; k < classes.of_vertex.size(); ++k) {
    const SharedBox& box = boxes[static_cast<size_t>(classes.of_vertex[k])];
    const int64_t tile = tile_of(transfer.grid, static_cast<int64_t>(k));
    const Source there = in_tile(box, mapping, tile);
    if (there.elements == box.elements) continue;
    TileExchange& load = loads[static_cast<size_t>(tile)];
    if (!receipt.in_place) load.buffer_bytes += box.elements * bytes;
    if (receipt.kept) continue;
    load.received_bytes += (box.elements - there.elements) * bytes;
    load.received_messages += static_cast<int64_t>(box.sources.size()) - (there.elements > 0);
    load.received_fragments += box.runs - fragments_of(there);
  }
  if (receipt.kept) return {};
  add_shared(transfer, classes, boxes, mapping, bytes, bus, loads);
  for (const SharedBox& box : boxes) {
    for (const Source& source : box.sources) {
      const int64_t tile = tile_of(mapping, source.block);
      if (box.receivers == 1 && box.last_receiver == tile) continue;
      add_sent(source, bytes, loads[static_cast<size_t>(tile)]);
    }
  }
  return {};
}

// Poplar has attention as two products, each with its operands: values are received when the keys
// are done with, and both have one size.
bool takes_room_of_keys(const Superstep& step, const Transfer& transfer) {
  constexpr size_t kKeys = 1, kValues = 2;
  const std::vector<Operand>& operands = step.compute.operands;
  const Codelet* codelet = find_codelet(step.compute.codelet);
  if (codelet == nullptr || codelet->role != Role::Attention) return false;
  if (transfer.region != operands[kValues].region) return false;
  return std::ranges::any_of(
      step.exchange, [&](const Transfer& other) { return other.region == operands[kKeys].region; });
}

Expected<std::vector<TileExchange>> loads_of(const Program& program, const Superstep& step,
                                             WorkLimit* work) {
  std::vector<TileExchange> loads(static_cast<size_t>(program.target.all_tiles()));
  const Superstep* before = turn_before(program, step);
  for (const Transfer& transfer : step.exchange)
    TRY(add_loads(transfer, variable_of(program, transfer.region),
                  {is_kept(before, transfer), takes_room_of_keys(step, transfer)},
                  program.target.tiles_per_exchange_bus, work, loads));
  return loads;
}

// --- Keys: numbers, each list behind its length, so that different lists never look alike ---

void add(std::string& key, int64_t number) { key += std::to_string(number) + ','; }

void add(std::string& key, const std::vector<int64_t>& numbers) {
  add(key, static_cast<int64_t>(numbers.size()));
  for (int64_t number : numbers) add(key, number);
}

void add(std::string& key, const Deal& deal) {
  for (int64_t number : {int64_t{deal.axis}, deal.each, deal.stride}) add(key, number);
}

void add(std::string& key, const VertexGrid& grid) {
  add(key, grid.extent);
  add(key, grid.first.value);
  add(key, grid.deal);
}

void add(std::string& key, const Program& program, const Region& region, bool slices = true) {
  const Variable& variable = variable_of(program, region);
  add(key, static_cast<int64_t>(variable.dtype));
  add(key, variable.mapping.view);
  add(key, variable.mapping.block);
  add(key, variable.mapping.first.value);
  add(key, variable.mapping.deal);
  add(key, region.view);
  for (const RegionDim& dim : region.dims) {
    const int64_t offset = slices || dim.axis >= 0 ? dim.offset : 0;
    for (int64_t number : {int64_t{dim.axis}, offset, dim.step, dim.size}) add(key, number);
  }
}

}  // namespace

std::vector<TileExchange> exchange_loads(const Program& program, const Superstep& step) {
  return loads_of(program, step, nullptr).take();
}

Expected<std::vector<TileExchange>> exchange_loads(const Program& program, const Superstep& step,
                                                   WorkLimit& work) {
  return loads_of(program, step, &work);
}

Cycles exchange_cycles(const TileExchange& load, const Target& target) {
  const auto cycles = [&target](double bytes, int64_t fragments) {
    const double width =
        static_cast<double>(target.exchange_bytes_per_cycle) * target.exchange_efficiency;
    return static_cast<uint64_t>(std::min(std::ceil(bytes / width), kMostExchangeCycles)) +
           static_cast<uint64_t>(fragments * kCyclesPerFragment);
  };
  const double shared = static_cast<double>(load.shared_bytes);
  const double received = static_cast<double>(load.received_bytes) - shared +
                          shared / static_cast<double>(target.tiles_per_exchange_bus);
  return {std::max(cycles(received, load.received_fragments),
                   cycles(static_cast<double>(load.sent_bytes), load.sent_fragments))};
}

namespace {

std::string key_of(const Program& program, const Superstep& step, bool slices) {
  std::string key;
  const Superstep* before = slices ? turn_before(program, step) : nullptr;
  for (const Transfer& transfer : step.exchange) {
    add(key, is_kept(before, transfer));
    add(key, program, transfer.region, slices);
    add(key, transfer.grid);
  }
  return key;
}

std::string key_of(const Program& program, const ComputeSet& set, bool slices) {
  std::string key = set.codelet + ',';
  for (const Param& param : set.params) {
    add(key, static_cast<int64_t>(param.values.size()));
    for (double value : param.values) add(key, std::bit_cast<int64_t>(value));
  }
  add(key, set.grid);
  for (const Operand& operand : set.operands) {
    add(key, operand.writes);
    add(key, program, operand.region, slices);
  }
  return key;
}

}  // namespace

std::string exchange_key(const Program& program, const Superstep& step) {
  return key_of(program, step, true);
}

std::string exchange_code_key(const Program& program, const Superstep& step) {
  return key_of(program, step, false);
}

std::string compute_key(const Program& program, const ComputeSet& set) {
  return key_of(program, set, true);
}

std::string compute_code_key(const Program& program, const ComputeSet& set) {
  return key_of(program, set, false);
}

}  // namespace tessera
