// SPDX-License-Identifier: Apache-2.0
#include "cost/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "codelets/codelet.h"
#include "program/boxes.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

uint64_t cycles_of(const SuperstepCost& cost) {
  return (cost.rearrange + cost.exchange + cost.compute + cost.sync).value;
}

int64_t products(const Program& program, const ComputeSet& set) {
  const Codelet* codelet = find_codelet(set.codelet);
  if (codelet->products == nullptr) return 0;
  const VertexClasses classes = alike_vertices(set);
  std::vector<int64_t> each;
  for (int64_t k : classes.representative)
    each.push_back(codelet->products(vertex_shape(program, set, k)));
  int64_t sum = 0;
  for (int32_t which : classes.of_vertex) sum += each[static_cast<size_t>(which)];
  return sum;
}

int64_t best_rate(const Program& program, const ComputeSet& set) {
  const auto id = static_cast<size_t>(set.operands.front().region.variable);
  const DType dtype = program.variables[id].dtype;
  if (is_fp8(dtype)) return program.target.macs_fp8();
  return dtype == DType::F16 ? program.target.macs_f16_partials_f16 : program.target.macs_f32;
}

// Cycles that all tiles' matrix units would need at their best.
double ideal_cycles(const Program& program, const ComputeSet& set) {
  const Target& target = program.target;
  return static_cast<double>(products(program, set)) /
         static_cast<double>(best_rate(program, set) * target.all_tiles());
}

double share(double part, uint64_t whole) {
  return whole == 0 ? 0 : part / static_cast<double>(whole);
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
  const int64_t bytes = target.tiles * target.bytes_per_tile, all = bytes * target.ipus;
  return {
      {"name",             target.name          },
      {"type",             "IpuModel"           },
      {"numIPUs",          target.ipus          },
      {"numReplicas",      1                    },
      {"ipusPerReplica",   target.ipus          },
      {"tilesPerIpu",      target.tiles         },
      {"tilesPerReplica",  target.all_tiles()   },
      {"numTiles",         target.all_tiles()   },
      {"bytesPerTile",     target.bytes_per_tile},
      {"bytesPerIPU",      bytes                },
      {"memoryPerReplica", all                  },
      {"totalMemory",      all                  },
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

// An element for each IPU that computes in the superstep. Each takes the superstep's time: it waits
// for the slowest tile of all.
Json ipu_json(const Profiled& is, size_t i, const Range& ipus) {
  const SuperstepCost& cost = is.cost.steps[i];
  const double tiles = static_cast<double>(ipus.size() * is.program.target.tiles);
  const double active = static_cast<double>(cost.active_tiles) / tiles;
  CycleLine line;
  line.add(is, i);
  Json json = {
      {"cycles", cycles_of(cost)},
      {"computeSetCycles", cost.compute.value},
      {"rearrangeCycles", cost.rearrange.value},
      {"exchangeCycles", cost.exchange.value},
      {"syncCycles", cost.sync.value},
      {"activeTiles", cost.active_tiles / ipus.size()},
      {"activeTileBalance", cost.balance},
      {"tileBalance", cost.balance * active},
      {"totalDataBytes", cost.exchange_bytes},
      {"maxBytesReceived", cost.max_receive_bytes},
      {"ampUtilisation", share(line.ideal, line.total())}
  };
  if (is.program.target.ipus == 1) return json;
  json["linkCycles"] = cost.links.value;
  json["linkBytes"] = cost.link_bytes;
  return json;
}

Json step_json(const Profiled& is, size_t i) {
  const Superstep& step = is.program.supersteps[i];
  const Range computing = ipus_of(step.compute.grid, is.program.target);
  const Json busy = ipu_json(is, i, computing);
  Json ipus = Json::array();
  for (int64_t ipu = 0; ipu < is.program.target.ipus; ++ipu) {
    const bool computes = computing.begin <= ipu && ipu < computing.end;
    ipus.push_back(computes ? busy
                            : Json{
                                  {"cycles",      0},
                                  {"activeTiles", 0}
    });
  }
  return {
      {"program",
       {{"name", step.name}, {"codelet", step.compute.codelet}, {"origin", step.origin}}},
      {"ipus",    ipus                                                                  }
  };
}

// notAlwaysLiveBytes is taken at the tile's own peak.
Json tiles_json(const Profiled& is) {
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

Json always_live_json(const Profiled& is) {
  Json variables = Json::array();
  for (const Variable& variable : is.program.variables)
    if (variable.kind == VariableKind::Constant)
      variables.push_back({
          {"name", variable.name   },
          {"size", variable.bytes()}
      });
  return variables;
}

Json liveness_json(const Profiled& is) {
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

void CycleLine::add(const Profiled& is, size_t i) {
  const SuperstepCost& cost = is.cost.steps[i];
  rearrange += cost.rearrange.value;
  exchange += cost.exchange.value;
  compute += cost.compute.value;
  sync += cost.sync.value;
  weighted_balance += cost.balance * static_cast<double>(cost.compute.value);
  const ComputeSet& set = is.program.supersteps[i].compute;
  if (!set.operands.empty()) ideal += ideal_cycles(is.program, set);
  ++supersteps;
  which.push_back(i);
}

std::string nodes_of(const Superstep& step) {
  if (step.origin.empty()) return "(added by the compiler) " + step.compute.codelet;
  if (step.origin.size() == 1) return step.origin.front();
  return fmt::format("{} … {} ({})", step.origin.front(), step.origin.back(), step.origin.size());
}

CycleLine cycles_of_all(const Profiled& is) {
  CycleLine all{.name = "all"};
  for (size_t i = 0; i < is.cost.steps.size(); ++i) all.add(is, i);
  return all;
}

namespace {

// Supersteps of one key are one line, in the order in which the keys first come.
template <class KeyOf, class NameOf>
std::vector<CycleLine> cycles_by(const Profiled& is, const KeyOf& key_of, const NameOf& name_of) {
  std::map<decltype(key_of(is.program.supersteps[0])), size_t> known;
  std::vector<CycleLine> lines;
  for (size_t i = 0; i < is.cost.steps.size(); ++i) {
    const Superstep& step = is.program.supersteps[i];
    const auto [at, is_new] = known.try_emplace(key_of(step), lines.size());
    if (is_new) lines.push_back({.name = name_of(step)});
    lines[at->second].add(is, i);
  }
  return lines;
}

std::vector<CycleLine> most_first(std::vector<CycleLine> lines) {
  std::ranges::stable_sort(lines, std::greater<>(), &CycleLine::total);
  return lines;
}

}  // namespace

std::vector<CycleLine> cycles_by_nodes(const Profiled& is) {
  const auto nodes = [](const Superstep& step) {
    return step.origin.empty() ? std::vector<std::string>{nodes_of(step)} : step.origin;
  };
  return most_first(cycles_by(is, nodes, nodes_of));
}

std::vector<CycleLine> cycles_by_kind(const Profiled& is) {
  const auto codelet = [](const Superstep& step) { return step.compute.codelet; };
  return most_first(cycles_by(is, codelet, codelet));
}

std::string layer_of(std::string_view node) {
  size_t begin = 0;
  for (size_t end = node.find('/', 1); end != std::string_view::npos;
       begin = end + 1, end = node.find('/', begin)) {
    const std::string_view part = node.substr(begin, end - begin);
    if (part.find_first_of("0123456789") != std::string_view::npos)
      return std::string(node.substr(0, end));
  }
  return "";
}

std::vector<CycleLine> cycles_by_layer(const Profiled& is) {
  const auto layer = [](const Superstep& step) {
    const std::string of = step.origin.empty() ? "" : layer_of(step.origin.back());
    return of.empty() ? std::string("(outside of layers)") : of;
  };
  return cycles_by(is, layer, layer);
}

Json profile_json(const Profiled& is) {
  Json compilation = {
      {"target",               target_json(is.program)},
      {"graph",                graph_json(is.program) },
      {"tiles",                tiles_json(is)         },
      {"alwaysLiveVariables",  always_live_json(is)   },
      {"livenessProgramSteps", liveness_json(is)      }
  };
  const CycleLine all = cycles_of_all(is);
  Json execution = {
      {"totalCycles", is.cost.total.value},
      {"computeShare", share(static_cast<double>(all.compute), all.total())},
      {"rearrangeShare", share(static_cast<double>(all.rearrange), all.total())},
      {"exchangeShare", share(static_cast<double>(all.exchange), all.total())},
      {"syncShare", share(static_cast<double>(all.sync), all.total())},
      {"ampUtilisation", share(all.ideal, all.total())}
  };
  for (size_t i = 0; i < is.cost.steps.size(); ++i) execution["steps"].push_back(step_json(is, i));
  return {
      {"schema",      "tessera-profile/1"},
      {"compilation", compilation        },
      {"execution",   execution          }
  };
}

Json profile_json(const Profiled& is, size_t superstep) {
  Json profile = profile_json(is);
  Json& ipus = profile["execution"]["steps"][superstep]["ipus"];
  int64_t at = 0;
  for (const TileCycles& tile : cycles_by_tile(is.program, is.program.supersteps[superstep])) {
    Json& ipu = ipus[static_cast<size_t>(is.program.target.ipu_of(at++))];
    ipu["rearrangeCyclesByTile"].push_back(tile.rearrange.value);
    ipu["exchangeCyclesByTile"].push_back(tile.exchange.value);
    ipu["computeSetCyclesByTile"].push_back(tile.compute.value);
  }
  return profile;
}

}  // namespace tessera
