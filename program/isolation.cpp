// SPDX-License-Identifier: Apache-2.0
#include "program/isolation.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "program/boxes.h"
#include "program/overlap.h"

namespace tessera {
namespace {

// Places in memory, as contiguous runs.
struct Runs {
  WorkLimit& work;
  std::vector<Range> ranges;

  Status add(const Shape& view, const Box& box) {
    const MergedBox merged = merge(view, box);
    TRY(work.spend(run_count(merged)));
    TRY(work.hold(static_cast<int64_t>(ranges.size()) + run_count(merged), 2 * sizeof(Range)));
    for_each_run(merged, [&](int64_t begin, int64_t end) { ranges.push_back({begin, end}); });
    return {};
  }

  // Sorted, and joined where they touch.
  void join() {
    std::sort(ranges.begin(), ranges.end(),
              [](const Range& a, const Range& b) { return a.begin < b.begin; });
    size_t kept = 0;
    for (size_t i = 1; i < ranges.size(); ++i) {
      if (ranges[i].begin <= ranges[kept].end)
        ranges[kept].end = std::max(ranges[kept].end, ranges[i].end);
      else
        ranges[++kept] = ranges[i];
    }
    if (!ranges.empty()) ranges.resize(kept + 1);
  }

  bool hold(const Range& run) const {
    auto after = std::upper_bound(ranges.begin(), ranges.end(), run.begin,
                                  [](int64_t at, const Range& range) { return at < range.begin; });
    return after != ranges.begin() && std::prev(after)->end >= run.end;
  }
};

std::optional<Box> held_on(const Mapping& mapping, int64_t tile) {
  const std::optional<int64_t> k = block_on(mapping, tile);
  if (!k) return std::nullopt;
  return block_at(mapping, *k);
}

std::optional<Box> delivered_to(const Transfer& transfer, int64_t tile) {
  const std::optional<int64_t> k = vertex_on(transfer.grid, tile);
  if (!k) return std::nullopt;
  return box_at(transfer.region, grid_position(transfer.grid, *k));
}

Expected<bool> is_covered(const Shape& outer_view, const Box& outer, const Shape& view,
                          const Box& box, WorkLimit& work) {
  TRY(work.spend(outer_view == view
                     ? 1
                     : std::min(run_count(merge(outer_view, outer)), run_count(merge(view, box)))));
  return covers(outer_view, outer, view, box);
}

// Transfers of each variable, in their order.
using TransfersOf = std::unordered_map<VariableId, std::vector<const Transfer*>>;

class OperandCheck {
 public:
  OperandCheck(const Program& program, const Superstep& step, const TransfersOf& transfers,
               size_t number, WorkLimit& work)
      : step_(step),
        number_(number),
        region_(step.compute.operands[number].region),
        variable_(program.variables[static_cast<size_t>(region_.variable)]),
        work_(work) {
    const auto found = transfers.find(region_.variable);
    if (found != transfers.end()) transfers_ = found->second;
  }

  Status check_writes() {
    int64_t written = 0;
    for (int64_t k = 0; k < vertex_count(grid()); ++k) {
      const Box box = box_of(k);
      const auto block = held_on(variable_.mapping, tile_of(k));
      if (!block || !TRY(is_covered(variable_.mapping.view, *block, region_.view, box, work_)))
        return error(k, "writes", "which is not mapped to that tile, must be mapped to it");
      written += elements(box);
    }
    const bool is_slice = slice_of(region_) >= 0;
    const int64_t all = elements(variable_.shape) / (is_slice ? region_.view[0] : 1);
    if (written == all) return {};
    return Error{fmt::format("operand {}: writes {} elements of '{}', must write all {}{}", number_,
                             written, variable_.name, all, is_slice ? " of its slice" : "")};
  }

  Status check_reads() {
    TRY(work_.spend(std::ssize(transfers_)));
    for (const Transfer* transfer : transfers_)
      if (transfer->region == region_ && transfer->grid == grid()) return {};
    for (int64_t k = 0; k < vertex_count(grid()); ++k)
      if (!TRY(is_on_tile(k)))
        return error(k, "reads", "which is not on that tile, must be mapped or delivered there");
    return {};
  }

 private:
  const VertexGrid& grid() const { return step_.compute.grid; }
  int64_t tile_of(int64_t k) const { return tessera::tile_of(grid(), k); }
  Box box_of(int64_t k) const { return box_at(region_, grid_position(grid(), k)); }

  Expected<bool> is_on_tile(int64_t k) {
    const Box box = box_of(k);
    const int64_t tile = tile_of(k);
    const auto block = held_on(variable_.mapping, tile);
    if (block && TRY(is_covered(variable_.mapping.view, *block, region_.view, box, work_)))
      return true;
    for (const Transfer* transfer : transfers_) {
      TRY(work_.spend(1));
      const auto delivered = delivered_to(*transfer, tile);
      if (delivered && TRY(is_covered(transfer->region.view, *delivered, region_.view, box, work_)))
        return true;
    }
    return is_pieced_together(box, tile);
  }

  // No single source holds the box: do all of them together?
  Expected<bool> is_pieced_together(const Box& box, int64_t tile) {
    Runs here{work_, {}};
    if (const auto block = held_on(variable_.mapping, tile))
      TRY(here.add(variable_.mapping.view, *block));
    for (const Transfer* transfer : transfers_)
      if (const auto delivered = delivered_to(*transfer, tile))
        TRY(here.add(transfer->region.view, *delivered));
    here.join();
    Runs wanted{work_, {}};
    TRY(wanted.add(region_.view, box));
    return std::all_of(wanted.ranges.begin(), wanted.ranges.end(),
                       [&](const Range& run) { return here.hold(run); });
  }

  Error error(int64_t k, std::string_view does, std::string_view fault) const {
    std::string box;
    for (const Range& range : box_of(k))
      box += fmt::format("{}{}:{}", box.empty() ? "" : ",", range.begin, range.end);
    return Error{fmt::format("operand {}: vertex {} on tile {} {} '{}' [{}] of {}, {}", number_, k,
                             tile_of(k), does, variable_.name, box, to_string(region_.view),
                             fault)};
  }

  const Superstep& step_;
  const size_t number_;
  const Region& region_;
  const Variable& variable_;
  std::span<const Transfer* const> transfers_;  // of the variable
  WorkLimit& work_;
};

// Counts what the exchange will be asked about each distinct box: who holds parts of it.
Status check_work_of(const Program& program, const Transfer& transfer, WorkLimit& work) {
  const Variable& variable = program.variables[static_cast<size_t>(transfer.region.variable)];
  TRY(work.spend(vertex_count(transfer.grid)));
  int64_t all = 0;
  for (int64_t k : shared_boxes(transfer.region, transfer.grid).representative) {
    const Box box = box_at(transfer.region, grid_position(transfer.grid, k));
    const int64_t steps = comparison_steps(variable.mapping, transfer.region.view, box);
    TRY(work.spend(steps));
    all += steps;
  }
  return work.hold(all, 2 * sizeof(Source));
}

}  // namespace

Status WorkLimit::spend(int64_t steps) {
  constexpr int64_t kBetweenLooks = int64_t{1} << 18;  // some milliseconds
  TRY(steps_.spend(steps, "comparing its regions"));
  if (steps_.spent() < next_look_) return {};
  next_look_ = steps_.spent() + kBetweenLooks;
  return deadline_.check("comparing its regions");
}

Status WorkLimit::hold(int64_t count, int64_t bytes) const {
  return check_limit(limits_, &Limits::memory, count * bytes, "comparing its regions");
}

Status check_isolation(const Program& program, const Superstep& step, WorkLimit& work) {
  TransfersOf transfers;
  for (const Transfer& transfer : step.exchange) {
    TRY(check_work_of(program, transfer, work));
    transfers[transfer.region.variable].push_back(&transfer);
  }
  for (size_t i = 0; i < step.compute.operands.size(); ++i) {
    TRY(work.spend(vertex_count(step.compute.grid)));
    OperandCheck check(program, step, transfers, i, work);
    TRY(step.compute.operands[i].writes ? check.check_writes() : check.check_reads());
  }
  return {};
}

}  // namespace tessera
