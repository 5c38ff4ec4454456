// SPDX-License-Identifier: Apache-2.0
// Graph to Program: every node becomes variables and supersteps, with tile mappings chosen by the
// planner. Constants go to the executable's blobs.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compiler/options.h"
#include "ir/graph.h"
#include "program/popef.h"
#include "support/expected.h"

namespace tessera {

struct Lowered {
  Program program;
  std::vector<Blob> constants;
};

// Errors name the node: a value without elements, a constant without data.
Expected<Lowered> lower(const Graph& graph, const CompileOptions& options);

// By input whose values number a table's rows: how many there are, in the smallest such table.
std::map<std::string, int64_t> index_limits(const Graph& graph);

}  // namespace tessera
