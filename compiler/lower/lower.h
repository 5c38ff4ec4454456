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
  bool plans_by_share = false;  // another available_memory_proportion could give another Program
};

// Errors name the node: a value without elements, a constant without data. Refused: a Program
// larger than verify_program takes, as soon as that is known, and what passes the deadline.
Expected<Lowered> lower(const Graph& graph, const CompileOptions& options,
                        const Deadline* deadline = nullptr);

// For each input whose values index a table: the number of rows of the smallest such table.
std::map<std::string, int64_t> index_limits(const Graph& graph);

}  // namespace tessera
