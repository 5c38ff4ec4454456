// SPDX-License-Identifier: Apache-2.0
// The tables of tessera inspect: a Program's time and memory.
#pragma once

#include <string>
#include <vector>

#include "cost/profile.h"
#include "support/expected.h"

namespace tessera::tools {

// A line for every superstep, with sums: exchange, compute, sync, balance, use of the matrix unit.
void print_cycles(const Profiled& profiled);
// The same by ONNX nodes: supersteps that come from the same nodes are one line, most cycles first.
void print_ops(const Profiled& profiled);
// The same rolled up: by what vertices compute, and by layer, as far as nodes' names tell it.
void print_kinds(const Profiled& profiled);
void print_layers(const Profiled& profiled);
// The fullest tile, what is largest on it, and the fullest tiles.
void print_memory(const Profiled& profiled);
// Bytes that are not always live, superstep by superstep, all tiles.
void print_liveness(const Profiled& profiled);
// The numbers of the supersteps that an ONNX node became, at least one. Usage error: there is none.
Expected<std::vector<size_t>> supersteps_of(const Profiled& profiled, const std::string& node);
// Supersteps that an ONNX node became. Usage error: no superstep comes from a node of that name.
Status print_node(const Profiled& profiled, const std::string& node);
// The number of a superstep, by its name or as that number. Usage error: there is none.
Expected<size_t> superstep_of(const Profiled& profiled, const std::string& name);
// One superstep: its nodes, what it exchanges, reads and writes. Usage error: there is none.
Status print_superstep(const Profiled& profiled, const std::string& name);

}  // namespace tessera::tools
