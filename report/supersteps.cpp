// SPDX-License-Identifier: Apache-2.0
// Each superstep of a report: where its vertices are, what they read, write and receive, and what
// every tile does in it.
#include <map>

#include "cost/exchange.h"
#include "cost/kept.h"
#include "cost/memory_by_tile.h"
#include "report/machine.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;
using ByTile = std::vector<int64_t>;

// [variable, view, [[axis, offset, step, size], …]]
Json region_json(const Region& region) {
  Json dims = Json::array();
  for (const RegionDim& dim : region.dims)
    dims.push_back({dim.axis, dim.offset, dim.step, dim.size});
  return {region.variable, region.view, dims};
}

template <class T, class Member>
int64_t add_member(Pools& pools, const std::vector<T>& tiles, Member member) {
  ByTile values;
  values.reserve(tiles.size());
  for (const T& tile : tiles) values.push_back(static_cast<int64_t>(member(tile)));
  return pools.add(values);
}

// Cycles and bytes of every tile; the same for supersteps that are alike.
Json by_tile(const Program& program, const Superstep& step, Pools& pools) {
  const std::vector<TileCycles> cycles = cycles_by_tile(program, step);
  const std::vector<TileExchange> loads = exchange_loads(program, step);
  const auto of = [&](auto member) { return add_member(pools, cycles, member); };
  const auto load = [&](auto member) { return add_member(pools, loads, member); };
  return {
      {"rearrange",         of([](const TileCycles& c) { return c.rearrange.value; })      },
      {"exchange",          of([](const TileCycles& c) { return c.exchange.value; })       },
      {"compute",           of([](const TileCycles& c) { return c.compute.value; })        },
      {"received_bytes",    load([](const TileExchange& l) { return l.received_bytes; })   },
      {"received_messages", load([](const TileExchange& l) { return l.received_messages; })},
      {"sent_bytes",        load([](const TileExchange& l) { return l.sent_bytes; })       },
      {"sent_messages",     load([](const TileExchange& l) { return l.sent_messages; })    }
  };
}

Json vertices_json(const ComputeSet& set) {
  Json params = Json::object();
  for (const Param& param : set.params) {
    if (param.values.size() == 1)
      params[param.name] = param.values.front();
    else
      params[param.name] = param.values;
  }
  Json vertices = {
      {"grid",   set.grid.extent     },
      {"first",  set.grid.first.value},
      {"params", params              }
  };
  add_deal(vertices, set.grid.deal);
  return vertices;
}

Json transfers_json(const Program& program, const Superstep& step) {
  const Superstep* before = turn_before(program, step);
  Json transfers = Json::array();
  for (const Transfer& transfer : step.exchange) {
    transfers.push_back({
        {"region", region_json(transfer.region)},
        {"grid",   transfer.grid.extent        },
        {"first",  transfer.grid.first.value   }
    });
    add_deal(transfers.back(), transfer.grid.deal);
    if (is_kept(before, transfer)) transfers.back()["kept"] = true;
  }
  return transfers;
}

}  // namespace

Json supersteps_json(const Profiled& is, Pools& pools) {
  const Program& program = is.program;
  const MemoryByTile memory = memory_by_tile(program);
  std::map<std::string, Json> known;
  Json all = Json::array();
  for (size_t i = 0; i < program.supersteps.size(); ++i) {
    const Superstep& step = program.supersteps[i];
    const SuperstepCost& cost = is.cost.steps[i];
    const auto [tiles, is_new] =
        known.try_emplace(exchange_key(program, step) + '|' + compute_key(program, step.compute) +
                          '|' + std::to_string(cost.rearrange.value));
    if (is_new) tiles->second = by_tile(program, step, pools);
    CycleLine line;
    line.add(is, i);
    Json json = {
        {"rearrange_cycles", cost.rearrange.value},
        {"cycles", line.total()},
        {"active_tiles", cost.active_tiles},
        {"messages", cost.messages},
        {"max_receive_bytes", cost.max_receive_bytes},
        {"amp", line.total() == 0 ? 0 : line.ideal / static_cast<double>(line.total())},
        {"vertices", vertices_json(step.compute)},
        {"transfers", transfers_json(program, step)},
        {"by_tile", tiles->second},
        {"receive_buffers", pools.add(*memory.receive_buffers[i])},
        {"temporaries", pools.add(*memory.temporaries[i])},
        {"arranged", memory.arranged[i]}
    };
    for (const Operand& operand : step.compute.operands)
      json[operand.writes ? "writes" : "reads"].push_back(region_json(operand.region));
    for_each_use(is.memory.fullest_by_superstep[i],
                 [&](const char* name, int64_t bytes) { json["fullest"][name] = bytes; });
    all.push_back(std::move(json));
  }
  return all;
}

}  // namespace tessera
