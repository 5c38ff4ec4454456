// SPDX-License-Identifier: Apache-2.0
// Where a Program's cycles and memory go: by superstep, by ONNX nodes, and as JSON with the field
// names of Poplar's profiles (libpva) wherever those have the notion.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cost/cost.h"
#include "program/program.h"

namespace tessera {

// A Program and what it takes; refers to all three.
struct Profiled {
  const Program& program;
  const ProgramCost& cost;
  const MemoryReport& memory;
};

// Cycles of one or several supersteps.
struct CycleLine {
  std::string name;
  uint64_t rearrange = 0, exchange = 0, compute = 0, sync = 0;
  // The cycles that the matrix units of all tiles would need at their best.
  double ideal = 0;
  double weighted_balance = 0;  // balance of each superstep times its compute cycles, summed
  int64_t supersteps = 0;
  std::vector<size_t> which = {};  // those supersteps, in order

  uint64_t total() const { return rearrange + exchange + compute + sync; }
  void add(const Profiled& profiled, size_t superstep);
};

// The ONNX nodes that a superstep comes from, in a few words: "a", "a … z (26)" or "(added by the
// compiler) copy".
std::string nodes_of(const Superstep& step);
CycleLine cycles_of_all(const Profiled& profiled);
// Supersteps that come from the same ONNX nodes are one line; most cycles first.
std::vector<CycleLine> cycles_by_nodes(const Profiled& profiled);
// One line for all supersteps of a codelet; most cycles first.
std::vector<CycleLine> cycles_by_kind(const Profiled& profiled);
// One line for each layer, in the order in which they are computed.
std::vector<CycleLine> cycles_by_layer(const Profiled& profiled);
// The layer of a node by its name, as exporters write it: the path up to the first part with a
// number, "/encoder/layer.3" of "/encoder/layer.3/attention/MatMul". "" where there is none: the
// last part is the node's own.
std::string layer_of(std::string_view node);

// {"compilation": {target, graph, tiles, livenessProgramSteps}, "execution": {"steps": [...]}}.
nlohmann::ordered_json profile_json(const Profiled& profiled);
// The same, and in one superstep what each tile does: exchangeCyclesByTile ….
nlohmann::ordered_json profile_json(const Profiled& profiled, size_t superstep);

}  // namespace tessera
