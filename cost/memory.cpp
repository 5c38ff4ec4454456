// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cost/accounting.h"
#include "cost/cost.h"
#include "cost/what_would_help.h"
#include "program/isolation.h"

namespace tessera {
namespace {

constexpr size_t kLargest = 5;

MemoryReport report_of(const Program& program, const Accounting& accounting) {
  MemoryReport report;
  const size_t tiles = accounting.tiles();
  for (size_t t = 0; t < tiles; ++t)
    report.always_live_by_tile.push_back(accounting.always_live(t));
  report.peak_by_tile = report.always_live_by_tile;
  std::vector<size_t> peak_step(tiles, 0);
  accounting.sweep([&](size_t step, const Accounting::ByTile& live) {
    report.live_by_superstep.push_back(0);
    for (size_t t = 0; t < tiles; ++t) {
      report.live_by_superstep.back() += live[t];
      const int64_t bytes = report.always_live_by_tile[t] + live[t] + gaps_of(live[t]);
      if (bytes <= report.peak_by_tile[t]) continue;
      report.peak_by_tile[t] = bytes;
      peak_step[t] = step;
    }
  });
  const auto fullest =
      static_cast<size_t>(std::max_element(report.peak_by_tile.begin(), report.peak_by_tile.end()) -
                          report.peak_by_tile.begin());
  report.fullest.value = static_cast<uint32_t>(fullest);
  const size_t peak = peak_step[fullest];
  if (!program.supersteps.empty()) report.peak_superstep = program.supersteps[peak].name;
  const std::vector<int64_t> variables = accounting.variables_by_step(fullest);
  report.at_peak = accounting.use_of(fullest, peak, variables[peak]);
  report.largest = accounting.holders(fullest, peak, report.at_peak);
  report.largest.resize(std::min(report.largest.size(), kLargest));
  report.code = accounting.code_of(fullest);
  for (size_t step = 0; step < program.supersteps.size(); ++step)
    report.fullest_by_superstep.push_back(accounting.use_of(fullest, step, variables[step]));
  report.fits = report.peak_by_tile[fullest] <= program.target.bytes_per_tile;
  return report;
}

}  // namespace

MemoryReport program_memory(const Program& program) {
  return report_of(program, Accounting::of(program, nullptr).take());
}

Expected<MemoryReport> program_memory(const Program& program, WorkLimit& work) {
  return report_of(program, TRY(Accounting::of(program, &work)));
}

// Constants tell the precision that was asked for: sums may be f32 in any.
std::vector<std::string> what_would_help(const Program& program, const MemoryReport& report) {
  int64_t wide = 0, all = 0;
  for (const Variable& variable : program.variables) {
    if (variable.kind != VariableKind::Constant) continue;
    all += variable.bytes();
    if (variable.dtype == DType::F32) wide += variable.bytes();
  }
  std::vector<std::string> ways{"a smaller batch or shorter rows (--input_shape)"};
  if (wide * 2 > all) ways.emplace_back("halves for floats (--precision fp16)");
  const bool receives = std::ranges::any_of(report.largest, [](const MemoryHolder& holder) {
    return holder.what.starts_with("receive buffers");
  });
  if (receives) ways.emplace_back("smaller temporaries (--available_memory_proportion)");
  ways.emplace_back("a model with fewer weights");
  return ways;
}

Error out_of_memory_error(const Program& program, const MemoryReport& report) {
  const uint32_t tile = report.fullest.value;
  std::string message =
      fmt::format("Out of memory on tile {}: {} bytes used but tiles only have {} bytes of memory",
                  tile, report.peak_by_tile[tile], program.target.bytes_per_tile);
  if (program.target.ipus > 1)
    message += fmt::format("\n  on IPU {} of {}: tile / {}", program.target.ipu_of(tile),
                           program.target.ipus, program.target.tiles);
  message +=
      fmt::format("\n  most is used in superstep '{}', the largest there:", report.peak_superstep);
  for (const MemoryHolder& holder : report.largest)
    message += fmt::format("\n  {:>10}  {}", holder.bytes, holder.what);
  message +=
      fmt::format("\n  what would help: {}", fmt::join(what_would_help(program, report), ", "));
  return {message, ErrorKind::OutOfMemory};
}

}  // namespace tessera
