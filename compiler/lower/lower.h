// SPDX-License-Identifier: Apache-2.0
// Graph to Program: every node becomes variables and supersteps, with tile mappings chosen by the
// planner. Constants go to the executable's blobs.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compiler/lower/integer_bounds.h"
#include "ir/graph.h"
#include "program/popef.h"
#include "support/expected.h"
#include "support/limits.h"

namespace tessera {

// The choices that a Program is planned by.
struct LowerOptions {
  Target target;                             // the Program's own: I/O tiles are not among its tiles
  bool half_partials = true;                 // an fp16 matmul adds its partial sums in fp16
  double available_memory_proportion = 0.6;  // of a tile, for one operation's operands
  Limits limits = {};                        // of the Program's size
  NamedIntervals declared = {};              // of inputs whose type in the model is smaller
};

struct Lowered {
  Program program;
  std::vector<Blob> constants;
  std::map<std::string, IntegerBound> input_bounds;  // see integer_bounds.h
  bool plans_by_share = false;  // another available_memory_proportion could give another Program
};

// Errors name the node: a value without elements, a constant without data. Refused: a Program
// larger than verify_program takes, as soon as that is known, and what passes the deadline.
Expected<Lowered> lower(const Graph& graph, const LowerOptions& options,
                        const Deadline* deadline = nullptr);

// For each input whose values index a table: the number of rows of the smallest such table.
std::map<std::string, int64_t> index_limits(const Graph& graph);

}  // namespace tessera
