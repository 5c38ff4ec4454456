// SPDX-License-Identifier: Apache-2.0
// What tessera inspect shows of a Program's time and memory, as tables and as JSON. JSON has the
// field names of Poplar's profiles (libpva) wherever those have the notion.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cost/cost.h"
#include "program/program.h"
#include "support/expected.h"

namespace tessera::tools {

struct Inspected {
  const Program& program;
  const ProgramCost& cost;
  const MemoryReport& memory;
};

// A line for every superstep, with sums: exchange, compute, sync, balance, use of the matrix unit.
void print_cycles(const Inspected& is);
// The same by ONNX nodes: supersteps that come from the same nodes are one line, dearest first.
void print_ops(const Inspected& is);
// The fullest tile, what is largest on it, and the fullest tiles.
void print_memory(const Inspected& is);
// Bytes that are not always live, superstep by superstep, all tiles.
void print_liveness(const Inspected& is);
// Supersteps that an ONNX node became. Usage error: no superstep comes from a node of that name.
Status print_node(const Inspected& is, const std::string& node);
// One superstep: its nodes, what it exchanges, reads and writes. Usage error: there is none.
Status print_superstep(const Inspected& is, const std::string& name);

// {"compilation": {target, graph, tiles, livenessProgramSteps}, "execution": {"steps": [...]}}.
nlohmann::ordered_json profile_json(const Inspected& is);

}  // namespace tessera::tools
