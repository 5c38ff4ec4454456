// SPDX-License-Identifier: Apache-2.0
#include "compiler/report.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "passes/fp32_nodes.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

uint64_t total(const SuperstepCost& cost) {
  return (cost.rearrange + cost.exchange + cost.compute + cost.sync).value;
}

Json superstep_json(const Program& program, size_t i, const ProgramCost& cost,
                    const MemoryReport& memory) {
  const Superstep& step = program.supersteps[i];
  const SuperstepCost& spent = cost.steps[i];
  return {
      {"name",              step.name                  },
      {"codelet",           step.compute.codelet       },
      {"origin",            step.origin                },
      {"tiles",             spent.active_tiles         },
      {"rearrange_cycles",  spent.rearrange.value      },
      {"exchange_cycles",   spent.exchange.value       },
      {"compute_cycles",    spent.compute.value        },
      {"sync_cycles",       spent.sync.value           },
      {"exchange_bytes",    spent.exchange_bytes       },
      {"max_receive_bytes", spent.max_receive_bytes    },
      {"messages",          spent.messages             },
      {"balance",           spent.balance              },
      {"live_bytes",        memory.live_by_superstep[i]}
  };
}

// By codelet, most cycles first.
Json codelets_json(const Program& program, const ProgramCost& cost) {
  struct Sum {
    uint64_t cycles = 0;
    int64_t supersteps = 0;
  };
  std::map<std::string, Sum> sums;
  for (size_t i = 0; i < program.supersteps.size(); ++i) {
    Sum& sum = sums[program.supersteps[i].compute.codelet];
    sum.cycles += total(cost.steps[i]);
    ++sum.supersteps;
  }
  std::vector<std::pair<std::string, Sum>> rows(sums.begin(), sums.end());
  std::ranges::stable_sort(rows, std::greater<>(),
                           [](const auto& row) { return row.second.cycles; });
  Json json = Json::array();
  for (const auto& [codelet, sum] : rows) {
    const double share = static_cast<double>(sum.cycles) /
                         static_cast<double>(std::max<uint64_t>(1, cost.total.value));
    json.push_back({
        {"codelet",    codelet       },
        {"supersteps", sum.supersteps},
        {"cycles",     sum.cycles    },
        {"share",      share         }
    });
  }
  return json;
}

Json memory_json(const Program& program, const MemoryReport& memory) {
  Json largest = Json::array();
  for (const MemoryHolder& holder : memory.largest) {
    largest.push_back({
        {"what",  holder.what },
        {"bytes", holder.bytes}
    });
  }
  const size_t tile = memory.fullest.value;
  return {
      {"fits",                memory.fits                     },
      {"bytes_per_tile",      program.target.bytes_per_tile   },
      {"fullest_tile",        tile                            },
      {"peak_bytes",          memory.peak_by_tile[tile]       },
      {"always_live_bytes",   memory.always_live_by_tile[tile]},
      {"peak_superstep",      memory.peak_superstep           },
      {"largest",             largest                         },
      {"peak_by_tile",        memory.peak_by_tile             },
      {"always_live_by_tile", memory.always_live_by_tile      }
  };
}

Json kept_json(std::span<const KeptInFp32> kept) {
  Json json = Json::array();
  for (const KeptInFp32& one : kept)
    json.push_back({
        {"node", one.node         },
        {"op",   one.op           },
        {"rule", name_of(one.rule)},
        {"why",  one.why          }
    });
  return json;
}

}  // namespace

std::string report_json(const Executable& executable, const std::vector<std::string>& passes,
                        std::span<const KeptInFp32> kept, const ProgramCost& cost,
                        const MemoryReport& memory) {
  const Program& program = executable.program;
  const Metadata& metadata = executable.metadata;
  Json supersteps = Json::array();
  for (size_t i = 0; i < program.supersteps.size(); ++i) {
    supersteps.push_back(superstep_json(program, i, cost, memory));
  }
  Json report = {
      {"schema", "compile-report/1"},
      {"compiler_version", metadata.compiler_version},
      {"model", metadata.model_name},
      {"source_sha256", metadata.source_sha256},
      {"options", metadata.options},
      {"target", program.target.name},
      {"passes", passes},
      {"cycles",
       {{"total", cost.total.value},
        {"compute", cost.compute.value},
        {"rearrange", cost.rearrange.value},
        {"exchange", cost.exchange.value},
        {"sync", cost.sync.value},
        {"seconds_per_batch", cost.seconds_per_batch}}},
      {"by_codelet", codelets_json(program, cost)},
      {"memory", memory_json(program, memory)},
      {"supersteps", supersteps}
  };
  if (!kept.empty()) report["kept_in_fp32"] = kept_json(kept);
  return report.dump(1);
}

}  // namespace tessera
