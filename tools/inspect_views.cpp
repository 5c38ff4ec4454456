// SPDX-License-Identifier: Apache-2.0
#include "tools/inspect_views.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "codelets/codelet.h"
#include "tools/print.h"
#include "tools/verb.h"

namespace tessera::tools {
namespace {

using Json = nlohmann::ordered_json;

uint64_t cycles_of(const SuperstepCost& cost) {
  return (cost.rearrange + cost.exchange + cost.compute + cost.sync).value;
}

// Products of one vertex: those of the matrix unit, which are the codelets matmul and attention.
int64_t vertex_products(const std::string& codelet, const VertexShape& shape) {
  if (codelet != "matmul" && codelet != "attention") return 0;
  const int64_t rows = elements(shape.operands[0].size);  // times the inner dimension
  if (codelet == "matmul") return rows * shape.operands[1].size.back();
  return 2 * rows * shape.operands[1].size[1];  // by keys: scores, and then values
}

int64_t products(const Program& program, const ComputeSet& set) {
  if (set.codelet != "matmul" && set.codelet != "attention") return 0;
  const VertexClasses classes = alike_vertices(set);
  std::vector<int64_t> each;
  for (int64_t k : classes.representative)
    each.push_back(vertex_products(set.codelet, vertex_shape(program, set, k)));
  int64_t sum = 0;
  for (int32_t which : classes.of_vertex) sum += each[static_cast<size_t>(which)];
  return sum;
}

bool is_half(const Program& program, const ComputeSet& set) {
  const auto id = static_cast<size_t>(set.operands.front().region.variable);
  return program.variables[id].dtype == DType::F16;
}

// Cycles that all tiles' matrix units would need at their best.
double ideal_cycles(const Program& program, const ComputeSet& set) {
  const Target& target = program.target;
  const int64_t rate = is_half(program, set) ? target.macs_f16_partials_f16 : target.macs_f32;
  return static_cast<double>(products(program, set)) / static_cast<double>(rate * target.tiles);
}

struct Line {
  std::string name;
  uint64_t rearrange = 0, exchange = 0, compute = 0, sync = 0;
  double ideal = 0, weighted_balance = 0;
  int64_t supersteps = 0;

  uint64_t total() const { return rearrange + exchange + compute + sync; }
  void add(const Inspected& is, size_t i) {
    const SuperstepCost& cost = is.cost.steps[i];
    rearrange += cost.rearrange.value;
    exchange += cost.exchange.value;
    compute += cost.compute.value;
    sync += cost.sync.value;
    weighted_balance += cost.balance * static_cast<double>(cost.compute.value);
    const ComputeSet& set = is.program.supersteps[i].compute;
    if (!set.operands.empty()) ideal += ideal_cycles(is.program, set);
    ++supersteps;
  }
};

double percent(double part, uint64_t whole) {
  return whole == 0 ? 0 : 100 * part / static_cast<double>(whole);
}

std::string shortened(const std::string& name) {
  return name.size() > 44 ? "…" + name.substr(name.size() - 43) : name;
}

void print_heads(const char* what) {
  print("{:<44} {:>10} {:>6} {:>10} {:>10} {:>10} {:>8} {:>8} {:>6}\n", what, "cycles", "share",
        "rearrange", "exchange", "compute", "sync", "balance", "AMP");
}

void print_line(const Line& line, uint64_t all) {
  print("{:<44} {:>10} {:>5.1f}% {:>10} {:>10} {:>10} {:>8} {:>7.0f}% {:>5.1f}%\n",
        shortened(line.name), line.total(), percent(static_cast<double>(line.total()), all),
        line.rearrange, line.exchange, line.compute, line.sync,
        percent(line.weighted_balance, line.compute), percent(line.ideal, line.total()));
}

Line sum_of(const Inspected& is) {
  Line all{.name = "all"};
  for (size_t i = 0; i < is.cost.steps.size(); ++i) all.add(is, i);
  return all;
}

std::string nodes_of(const Superstep& step) {
  if (step.origin.empty()) return "(added by the compiler) " + step.compute.codelet;
  if (step.origin.size() == 1) return step.origin.front();
  return fmt::format("{} … {} ({})", step.origin.front(), step.origin.back(), step.origin.size());
}

// By the names of Poplar's categories, but for three that it does not have: what is reserved, what
// vertices need beside their operands, and gaps.
Json categories_json(const MemoryUse& use) {
  Json categories;
  const auto add = [&](const char* name, int64_t bytes) { categories[name]["total"] = bytes; };
  add("constant", use.constants);
  add("vertexCode", use.code);
  add("vertexInstanceState", use.vertex_state);
  add("internalExchangeCode", use.exchange_code);
  add("controlCode", use.control_code);
  add("stack", use.stack);
  add("reserved", use.reserved);
  add("variable", use.variables);
  add("message", use.receive_buffers);
  add("temporary", use.temporaries);
  add("gaps", use.gaps);
  return categories;
}

Json target_json(const Program& program) {
  const Target& target = program.target;
  const int64_t bytes = target.tiles * target.bytes_per_tile;
  return {
      {"name",             target.name          },
      {"type",             "IpuModel"           },
      {"numIPUs",          1                    },
      {"numReplicas",      1                    },
      {"ipusPerReplica",   1                    },
      {"tilesPerIpu",      target.tiles         },
      {"tilesPerReplica",  target.tiles         },
      {"numTiles",         target.tiles         },
      {"bytesPerTile",     target.bytes_per_tile},
      {"bytesPerIPU",      bytes                },
      {"memoryPerReplica", bytes                },
      {"totalMemory",      bytes                },
      {"clockFrequency",   target.clock_hz      }
  };
}

Json graph_json(const Program& program) {
  int64_t vertices = 0, edges = 0;
  for (const Superstep& step : program.supersteps) {
    vertices += vertex_count(step.compute.grid);
    edges += vertex_count(step.compute.grid) * static_cast<int64_t>(step.compute.operands.size());
  }
  return {
      {"numComputeSets", program.supersteps.size()},
      {"numVars",        program.variables.size() },
      {"numVertices",    vertices                 },
      {"numEdges",       edges                    }
  };
}

Json step_json(const Inspected& is, size_t i) {
  const Superstep& step = is.program.supersteps[i];
  const SuperstepCost& cost = is.cost.steps[i];
  const double active =
      static_cast<double>(cost.active_tiles) / static_cast<double>(is.program.target.tiles);
  Line line;
  line.add(is, i);
  return {
      {"program",
       {{"name", step.name}, {"codelet", step.compute.codelet}, {"origin", step.origin}}},
      {"ipus",
       {{{"cycles", cycles_of(cost)},
         {"computeSetCycles", cost.compute.value},
         {"rearrangeCycles", cost.rearrange.value},
         {"exchangeCycles", cost.exchange.value},
         {"syncCycles", cost.sync.value},
         {"activeTiles", cost.active_tiles},
         {"activeTileBalance", cost.balance},
         {"tileBalance", cost.balance * active},
         {"totalDataBytes", cost.exchange_bytes},
         {"maxBytesReceived", cost.max_receive_bytes},
         {"ampUtilisation", percent(line.ideal, line.total()) / 100}}}                  }
  };
}

// What is not always live has its peak where the tile has.
Json tiles_json(const Inspected& is) {
  const int64_t most = is.program.target.bytes_per_tile;
  const MemoryReport& memory = is.memory;
  Json tiles = Json::array();
  for (size_t t = 0; t < memory.peak_by_tile.size(); ++t) {
    const int64_t peak = memory.peak_by_tile[t], always = memory.always_live_by_tile[t];
    tiles.push_back({
        {"memory",
         {{"total", {{"includingGaps", peak}}},
          {"overflowed", {{"includingGaps", std::max<int64_t>(0, peak - most)}}},
          {"alwaysLiveBytes", always},
          {"notAlwaysLiveBytes", peak - always}}}
    });
  }
  tiles[memory.fullest.value]["memory"]["category"] = categories_json(memory.at_peak);
  tiles[memory.fullest.value]["memory"]["total"]["excludingGaps"] =
      memory.at_peak.total() - memory.at_peak.gaps;
  return tiles;
}

Json always_live_json(const Inspected& is) {
  Json variables = Json::array();
  for (const Variable& variable : is.program.variables)
    if (variable.kind == VariableKind::Constant)
      variables.push_back({
          {"name", variable.name   },
          {"size", variable.bytes()}
      });
  return variables;
}

Json liveness_json(const Inspected& is) {
  Json steps = Json::array();
  for (size_t i = 0; i < is.memory.live_by_superstep.size(); ++i) {
    const MemoryUse& use = is.memory.fullest_by_superstep[i];
    steps.push_back({
        {"program",                    {{"name", is.program.supersteps[i].name}}  },
        {"notAlwaysLiveMemory",        {{"bytes", is.memory.live_by_superstep[i]}}},
        {"notAlwaysLiveMemoryForTile",
         {{"tile", is.memory.fullest.value},
          {"bytes", use.not_always_live()},
          {"category", categories_json(use)}}                                     }
    });
  }
  return steps;
}

}  // namespace

void print_cycles(const Inspected& is) {
  const Line all = sum_of(is);
  print_heads("superstep");
  for (size_t i = 0; i < is.cost.steps.size(); ++i) {
    Line line{.name = is.program.supersteps[i].name};
    line.add(is, i);
    print_line(line, all.total());
  }
  print_line(all, all.total());
}

void print_ops(const Inspected& is) {
  std::map<std::vector<std::string>, size_t> known;
  std::vector<Line> lines;
  for (size_t i = 0; i < is.cost.steps.size(); ++i) {
    const Superstep& step = is.program.supersteps[i];
    std::vector<std::string> key = step.origin;
    if (key.empty()) key = {nodes_of(step)};
    const auto [at, is_new] = known.try_emplace(std::move(key), lines.size());
    if (is_new) lines.push_back({.name = nodes_of(step)});
    lines[at->second].add(is, i);
  }
  std::ranges::stable_sort(lines, std::greater<>(), &Line::total);
  const Line all = sum_of(is);
  print_heads("ONNX nodes");
  for (const Line& line : lines) print_line(line, all.total());
  print_line(all, all.total());
}

void print_memory(const Inspected& is) {
  const MemoryReport& memory = is.memory;
  const auto on = [](const std::vector<int64_t>& bytes, size_t tile) {
    return human_count(bytes[tile]);
  };
  const size_t fullest = memory.fullest.value;
  print("fullest: tile {}, {} of {} bytes in '{}'\n", fullest, on(memory.peak_by_tile, fullest),
        human_count(is.program.target.bytes_per_tile), memory.peak_superstep);
  print("  {:>12}  always live\n", on(memory.always_live_by_tile, fullest));
  print("  {:>12}  live by turns\n",
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

void print_liveness(const Inspected& is) {
  const std::vector<int64_t>& live = is.memory.live_by_superstep;
  const int64_t most = live.empty() ? 0 : *std::ranges::max_element(live);
  constexpr int64_t kWidth = 40;
  print("{:<44} {:>16}\n", "superstep", "not always live");
  for (size_t i = 0; i < live.size(); ++i) {
    const int64_t bar = most == 0 ? 0 : live[i] * kWidth / most;
    print("{:<44} {:>16} {}\n", shortened(is.program.supersteps[i].name), human_count(live[i]),
          std::string(static_cast<size_t>(bar), '#'));
  }
}

Status print_node(const Inspected& is, const std::string& node) {
  Line all{.name = node};
  const uint64_t whole = is.cost.total.value;
  for (size_t i = 0; i < is.program.supersteps.size(); ++i) {
    const Superstep& step = is.program.supersteps[i];
    if (std::ranges::find(step.origin, node) == step.origin.end()) continue;
    if (all.supersteps == 0) print_heads("superstep");
    Line line{.name = step.name};
    line.add(is, i);
    all.add(is, i);
    print_line(line, whole);
  }
  if (all.supersteps == 0)
    return Error{fmt::format("--node: no superstep comes from a node '{}'", node),
                 ErrorKind::Usage};
  print_line(all, whole);
  return {};
}

Status print_superstep(const Inspected& is, const std::string& name) {
  const auto& steps = is.program.supersteps;
  const auto found = std::ranges::find(steps, name, &Superstep::name);
  if (found == steps.end())
    return Error{fmt::format("--superstep: there is no '{}'", name), ErrorKind::Usage};
  const SuperstepCost& cost = is.cost.steps[static_cast<size_t>(found - steps.begin())];
  const auto variable_of = [&](const Region& region) -> const Variable& {
    return is.program.variables[static_cast<size_t>(region.variable)];
  };
  print("superstep  {}\nnodes      {}\ncodelet    {}, {} vertices from tile {} on\n", name,
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

Json profile_json(const Inspected& is) {
  Json compilation = {
      {"target",               target_json(is.program)},
      {"graph",                graph_json(is.program) },
      {"tiles",                tiles_json(is)         },
      {"alwaysLiveVariables",  always_live_json(is)   },
      {"livenessProgramSteps", liveness_json(is)      }
  };
  const Line all = sum_of(is);
  Json execution = {
      {"totalCycles", is.cost.total.value},
      {"computeShare", percent(static_cast<double>(all.compute), all.total()) / 100},
      {"rearrangeShare", percent(static_cast<double>(all.rearrange), all.total()) / 100},
      {"exchangeShare", percent(static_cast<double>(all.exchange), all.total()) / 100},
      {"syncShare", percent(static_cast<double>(all.sync), all.total()) / 100},
      {"ampUtilisation", percent(all.ideal, all.total()) / 100}
  };
  for (size_t i = 0; i < is.cost.steps.size(); ++i) execution["steps"].push_back(step_json(is, i));
  return {
      {"compilation", compilation},
      {"execution",   execution  }
  };
}

}  // namespace tessera::tools
