// SPDX-License-Identifier: Apache-2.0
#include "report/machine.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "cost/inspection.h"
#include "cost/memory_by_tile.h"
#include "cost/pipeline.h"
#include "report/plans.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

const char* word_of(VariableKind kind) {
  switch (kind) {
    case VariableKind::Input: return "input";
    case VariableKind::Output: return "output";
    case VariableKind::Constant: return "constant";
    case VariableKind::Activation: return "activation";
  }
  return "";
}

double share(double part, uint64_t whole) {
  return whole == 0 ? 0 : part / static_cast<double>(whole);
}

// The variables that the superstep writes, each once.
std::vector<VariableId> written_by(const Superstep& step) {
  std::vector<VariableId> ids;
  for (const Operand& operand : step.compute.operands)
    if (operand.writes) ids.push_back(operand.region.variable);
  return ids;
}

struct Moved {
  int64_t bytes = 0, messages = 0, results = 0, weights = 0, most_live = 0;
};

Moved moved_by(const Profiled& is, const std::vector<size_t>& supersteps) {
  Moved moved;
  std::vector<VariableId> results, weights;
  for (const size_t i : supersteps) {
    const Superstep& step = is.program.supersteps[i];
    moved.bytes += is.cost.steps[i].exchange_bytes;
    moved.messages += is.cost.steps[i].messages;
    moved.most_live = std::max(moved.most_live, is.memory.live_by_superstep[i]);
    for (const VariableId id : written_by(step)) results.push_back(id);
    for (const Operand& operand : step.compute.operands)
      if (is.program.variables[static_cast<size_t>(operand.region.variable)].kind ==
          VariableKind::Constant)
        weights.push_back(operand.region.variable);
  }
  const auto sum = [&](std::vector<VariableId>& ids) {
    std::ranges::sort(ids);
    const auto repeated = std::ranges::unique(ids);
    ids.erase(repeated.begin(), repeated.end());
    int64_t bytes = 0;
    for (const VariableId id : ids) bytes += is.program.variables[static_cast<size_t>(id)].bytes();
    return bytes;
  };
  moved.results = sum(results);
  moved.weights = sum(weights);
  return moved;
}

// "[4096,768] by [16,192] from tile 0", of the last that it makes.
std::string placed(const Profiled& is, const std::vector<size_t>& supersteps) {
  const std::vector<VariableId> made = written_by(is.program.supersteps[supersteps.back()]);
  if (made.empty()) return "";
  const Mapping& mapping = is.program.variables[static_cast<size_t>(made.back())].mapping;
  return fmt::format("[{}] by [{}] from tile {}", fmt::join(mapping.view, ","),
                     fmt::join(mapping.block, ","), mapping.first.value);
}

std::vector<int64_t> bytes_of_copies(const Program& program, const Variable& variable,
                                     int64_t copies) {
  std::vector<int64_t> bytes = bytes_by_tile(program, variable);
  for (int64_t& of_tile : bytes) of_tile *= copies;
  return bytes;
}

Json target_json(const Target& target) {
  Json json = {
      {"name", target.name}
  };
  for_each_field(target, [&](const char* name, auto value) { json[name] = value; });
  return json;
}

}  // namespace

void add_deal(Json& json, const Deal& deal) {
  if (deal != Deal{}) json["deal"] = {deal.axis, deal.each, deal.stride};
}

Json variables_json(const Profiled& is, Pools& pools) {
  const std::vector<Life> lives = memory_by_tile(is.program).lives;
  const std::vector<int64_t> copies = stashed_copies(is.program);
  Json all = Json::array();
  for (size_t id = 0; id < lives.size(); ++id) {
    const Variable& variable = is.program.variables[id];
    all.push_back({
        {"name", variable.name},
        {"kind", word_of(variable.kind)},
        {"dtype", to_string(variable.dtype)},
        {"shape", variable.shape},
        {"bytes", variable.bytes()},
        {"view", variable.mapping.view},
        {"block", variable.mapping.block},
        {"first", variable.mapping.first.value},
        {"life", {lives[id].first, lives[id].last}},
        {"tiles", pools.add(bytes_of_copies(is.program, variable, copies[id]))}
    });
    add_deal(all.back(), variable.mapping.deal);
  }
  return all;
}

Json tiles_json(const Profiled& is, Pools& pools) {
  const MemoryByTile memory = memory_by_tile(is.program);
  Json json = {
      {"peak",        pools.add(is.memory.peak_by_tile)       },
      {"always_live", pools.add(is.memory.always_live_by_tile)},
      {"peak_step",   pools.add(memory.peak_step)             },
      {"gap_percent", kGapPercent                             }
  };
  std::map<std::string, std::vector<int64_t>> by_use;
  for (const MemoryUse& use : memory.at_peak)
    for_each_use(use, [&](const char* name, int64_t bytes) { by_use[name].push_back(bytes); });
  for_each_use(is.memory.at_peak,
               [&](const char* name, int64_t) { json["at_peak"][name] = pools.add(by_use[name]); });
  return json;
}

Json operations_json(const Profiled& is) {
  Json all = Json::array();
  for (const CycleLine& line : cycles_by_nodes(is)) {
    const Moved moved = moved_by(is, line.which);
    Json codelets = Json::array();
    for (const size_t i : line.which) {
      const std::string& codelet = is.program.supersteps[i].compute.codelet;
      if (std::find(codelets.begin(), codelets.end(), codelet) == codelets.end())
        codelets.push_back(codelet);
    }
    all.push_back({
        {"name", line.name},
        {"origin", is.program.supersteps[line.which.front()].origin},
        {"codelets", codelets},
        {"supersteps", line.which},
        {"cycles", line.total()},
        {"share", share(static_cast<double>(line.total()), is.cost.total.value)},
        {"rearrange", line.rearrange},
        {"exchange", line.exchange},
        {"compute", line.compute},
        {"sync", line.sync},
        {"balance", share(line.weighted_balance, line.compute)},
        {"amp", share(line.ideal, line.total())},
        {"bytes_moved", moved.bytes},
        {"messages", moved.messages},
        {"result_bytes", moved.results},
        {"weight_bytes", moved.weights},
        {"live_bytes", moved.most_live},
        {"placed", placed(is, line.which)}
    });
  }
  return all;
}

Json comparable_json(const ReportedExecutable& reported, const Profiled& is) {
  const CycleLine all = cycles_of_all(is);
  return {
      {"file", reported.file},
      {"inspection", inspection_json(reported.executable, reported.blobs, is.cost, is.memory)},
      {"target", target_json(is.program.target)},
      {"rearrange", is.cost.rearrange.value},
      {"amp", share(all.ideal, all.total())},
      {"host_seconds", is.cost.host_seconds},
      {"operations", operations_json(is)}
  };
}

Json executable_json(const ReportedExecutable& reported) {
  const Executable& executable = reported.executable;
  const Program& program = executable.program;
  const ProgramCost cost = program_cost(program);
  const MemoryReport memory = program_memory(program);
  const Profiled is{program, cost, memory};
  Pools pools;
  Json json = comparable_json(reported, is);
  json["tiles"] = tiles_json(is, pools);
  json["variables"] = variables_json(is, pools);
  json["supersteps"] = supersteps_json(is, pools);
  for_each_use(memory.at_peak,
               [&](const char* name, int64_t bytes) { json["at_peak"][name] = bytes; });
  for (const MemoryHolder& codelet : memory.code)
    json["code"].push_back({
        {"codelet", codelet.what },
        {"bytes",   codelet.bytes}
    });
  for (size_t i = 0; i < json["operations"].size(); ++i)
    for (const Json& step : json["operations"][i]["supersteps"])
      json["supersteps"][step.get<size_t>()]["operation"] = i;
  json["plans"] = plans_json(executable, json["supersteps"]);
  json["pools"] = pools.json();
  return json;
}

}  // namespace tessera
