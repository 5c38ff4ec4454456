// SPDX-License-Identifier: Apache-2.0
#include "tools/verbs/inspect_views.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>
#include <span>

#include "program/boxes.h"
#include "support/human.h"
#include "tools/print/print.h"
#include "tools/print/table.h"

namespace tessera::tools {
namespace {

uint64_t cycles_of(const SuperstepCost& cost) {
  return (cost.rearrange + cost.exchange + cost.compute + cost.sync).value;
}

double percent(double part, uint64_t whole) {
  return whole == 0 ? 0 : 100 * part / static_cast<double>(whole);
}

Table cycle_table(const char* what) {
  return Table({
      {what, 44, false, true},
      {"cycles", 10},
      {"share", 6},
      {"rearrange", 10},
      {"exchange", 10},
      {"compute", 10},
      {"sync", 8},
      {"balance", 8},
      {"AMP", 6}
  });
}

std::string in_percent(double part, uint64_t whole, int digits) {
  return fmt::format("{:.{}f}%", percent(part, whole), digits);
}

void print_line(const Table& table, const CycleLine& line, uint64_t all) {
  const auto text = [](auto number) { return fmt::format("{}", number); };
  table.print({line.name, text(line.total()), in_percent(static_cast<double>(line.total()), all, 1),
               text(line.rearrange), text(line.exchange), text(line.compute), text(line.sync),
               in_percent(line.weighted_balance, line.compute, 0),
               in_percent(line.ideal, line.total(), 1)});
}

void print_lines(const char* what, std::span<const CycleLine> lines, const CycleLine& last,
                 uint64_t all) {
  const Table table = cycle_table(what);
  table.print_heads();
  for (const CycleLine& line : lines) print_line(table, line, all);
  print_line(table, last, all);
  table.print_left_out();
}

void print_lines(const char* what, std::span<const CycleLine> lines, const Profiled& is) {
  const CycleLine all = cycles_of_all(is);
  print_lines(what, lines, all, all.total());
}

CycleLine line_of(const Profiled& is, size_t superstep) {
  CycleLine line{.name = is.program.supersteps[superstep].name};
  line.add(is, superstep);
  return line;
}

}  // namespace

void print_cycles(const Profiled& is) {
  std::vector<CycleLine> lines;
  for (size_t i = 0; i < is.cost.steps.size(); ++i) lines.push_back(line_of(is, i));
  print_lines("superstep", lines, is);
}

void print_ops(const Profiled& is) { print_lines("ONNX nodes", cycles_by_nodes(is), is); }
void print_kinds(const Profiled& is) { print_lines("codelet", cycles_by_kind(is), is); }
void print_layers(const Profiled& is) { print_lines("layer", cycles_by_layer(is), is); }

void print_memory(const Profiled& is) {
  const MemoryReport& memory = is.memory;
  const auto on = [](const std::vector<int64_t>& bytes, size_t tile) {
    return human_count(bytes[tile]);
  };
  const size_t fullest = memory.fullest.value;
  print("fullest: tile {}, {} of {} bytes in '{}'\n", fullest, on(memory.peak_by_tile, fullest),
        human_count(is.program.target.bytes_per_tile), memory.peak_superstep);
  print("  {:>12}  always live\n", on(memory.always_live_by_tile, fullest));
  print("  {:>12}  not always live\n",
        human_count(memory.peak_by_tile[fullest] - memory.always_live_by_tile[fullest]));
  print("by what it is for:\n");
  for_each_use(memory.at_peak, [](const char* use, int64_t bytes) {
    print("  {:>12}  {}\n", human_count(bytes), use);
  });
  print("code by codelet:\n");
  for (const MemoryHolder& codelet : memory.code)
    print("  {:>12}  {}\n", human_count(codelet.bytes), codelet.what);
  print("largest there:\n");
  for (const MemoryHolder& holder : memory.largest)
    print("  {:>12}  {}\n", human_count(holder.bytes), holder.what);
  std::vector<size_t> tiles(memory.peak_by_tile.size());
  std::iota(tiles.begin(), tiles.end(), size_t{0});
  std::ranges::stable_sort(tiles, std::greater<>(),
                           [&](size_t t) { return memory.peak_by_tile[t]; });
  print("\n{:>6} {:>14} {:>14}\n", "tile", "peak", "always live");
  for (size_t k = 0; k < std::min<size_t>(5, tiles.size()); ++k)
    print("{:>6} {:>14} {:>14}\n", tiles[k], on(memory.peak_by_tile, tiles[k]),
          on(memory.always_live_by_tile, tiles[k]));
}

void print_liveness(const Profiled& is) {
  const std::vector<int64_t>& live = is.memory.live_by_superstep;
  const int64_t most = live.empty() ? 0 : *std::ranges::max_element(live);
  constexpr int64_t kWidest = 40, kNarrowest = 8, kBeside = 62;
  const auto widest = static_cast<double>(
      std::clamp(page_columns().value_or(kBeside + kWidest) - kBeside, kNarrowest, kWidest));
  const Table table(
      {
          {"superstep", 44, false, true},
          {"not always live", 16}
  },
      0, page_columns() ? std::optional(*page_columns() - kNarrowest - 1) : std::nullopt);
  table.print_heads();
  for (size_t i = 0; i < live.size(); ++i) {
    const double bar =
        most == 0 ? 0 : widest * static_cast<double>(live[i]) / static_cast<double>(most);
    table.print({is.program.supersteps[i].name, human_count(live[i])},
                " " + std::string(static_cast<size_t>(bar), '#'));
  }
}

Expected<std::vector<size_t>> supersteps_of(const Profiled& is, const std::string& node) {
  std::vector<size_t> which;
  for (size_t i = 0; i < is.program.supersteps.size(); ++i)
    if (std::ranges::count(is.program.supersteps[i].origin, node) > 0) which.push_back(i);
  if (which.empty())
    return Error{fmt::format("--node: no superstep comes from a node '{}'", node),
                 ErrorKind::Usage};
  return which;
}

Status print_node(const Profiled& is, const std::string& node) {
  CycleLine all{.name = node};
  std::vector<CycleLine> lines;
  for (const size_t i : TRY(supersteps_of(is, node))) {
    lines.push_back(line_of(is, i));
    all.add(is, i);
  }
  print_lines("superstep", lines, all, is.cost.total.value);
  return {};
}

Expected<size_t> superstep_of(const Profiled& is, const std::string& name) {
  const auto& steps = is.program.supersteps;
  const auto found = std::ranges::find(steps, name, &Superstep::name);
  if (found != steps.end()) return static_cast<size_t>(found - steps.begin());
  size_t number = 0;
  const char* end = name.data() + name.size();
  const auto read = std::from_chars(name.data(), end, number);
  if (read.ec == std::errc() && read.ptr == end && number < steps.size()) return number;
  return Error{fmt::format("--superstep: there is no '{}', must be a name or one of 0..{}, as "
                           "--supersteps lists them",
                           name, steps.size() - 1),
               ErrorKind::Usage};
}

Status print_superstep(const Profiled& is, const std::string& name) {
  const size_t which = TRY(superstep_of(is, name));
  const Superstep* found = &is.program.supersteps[which];
  const SuperstepCost& cost = is.cost.steps[which];
  const auto variable_of = [&](const Region& region) -> const Variable& {
    return is.program.variables[static_cast<size_t>(region.variable)];
  };
  print("superstep  {}\nnodes      {}\ncodelet    {}, {} vertices from tile {} on\n", found->name,
        fmt::format("{}", fmt::join(found->origin, " ")), found->compute.codelet,
        vertex_count(found->compute.grid), found->compute.grid.first.value);
  print("cycles     {}: rearrange {}, exchange {}, compute {} (balance {:.0f} %), sync {}\n",
        cycles_of(cost), cost.rearrange.value, cost.exchange.value, cost.compute.value,
        100 * cost.balance, cost.sync.value);
  print("exchange   {} bytes in {} messages, at most {} to a tile\n",
        human_count(cost.exchange_bytes), human_count(cost.messages),
        human_count(cost.max_receive_bytes));
  for (const Transfer& transfer : found->exchange)
    print("  delivers {}\n", variable_of(transfer.region).name);
  for (const Operand& operand : found->compute.operands) {
    const Variable& variable = variable_of(operand.region);
    print("  {:<8} {} {}\n", operand.writes ? "writes" : "reads", variable.name,
          to_string(TensorType{variable.dtype, variable.shape}));
  }
  return {};
}

}  // namespace tessera::tools
