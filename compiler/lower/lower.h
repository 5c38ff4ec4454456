// SPDX-License-Identifier: Apache-2.0
// Graph to Program: every node becomes variables and supersteps, with tile mappings chosen by the
// planner. Constants go to the executable's blobs.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/lower/integer_bounds.h"
#include "ir/graph.h"
#include "program/popef.h"
#include "support/expected.h"
#include "support/limits.h"

namespace tessera {

// Where a node is computed, in a Program for several IPUs.
struct NodePlace {
  int64_t ipu = 0;
  int64_t stage = 0;  // of the pipeline
  int64_t part = 0;   // parts are lowered one after the other; a later one only reads earlier ones
};
using Placements = std::unordered_map<const Node*, NodePlace>;

// How each operation is computed by all IPUs together: products by columns, each IPU with its
// columns of the weights; by rows, with its rows of the operand; or each product so that less is
// sent. The other operations by rows, heads or columns.
enum class TensorSplit : uint8_t { None, Columns, Rows, LeastSent };

// The choices that a Program is planned by.
struct LowerOptions {
  Target target;                             // the Program's own: I/O tiles are not among its tiles
  bool half_partials = true;                 // an fp16 matmul adds its partial sums in fp16
  double available_memory_proportion = 0.6;  // of a tile, for one operation's operands
  Limits limits = {};                        // of the Program's size
  NamedIntervals declared = {};              // of inputs whose type in the model is smaller
  Placements placements = {};                // of each node that is computed; empty: on IPU 0
  TensorSplit tensor = TensorSplit::None;    // where no placements are given
  // The number of replicas that share the batch: sums are cut as for all its rows, so that the
  // answers are those of one.
  int64_t replicas = 1;
  bool fit = false;  // the caller lowers again with a smaller share where this does not fit
};

struct Lowered {
  Program program;
  std::vector<Blob> constants;
  std::map<std::string, IntegerBound> input_bounds;  // see integer_bounds.h
  bool plans_by_share = false;  // another available_memory_proportion could give another Program
  std::vector<const Node*> node_of_step;  // by superstep: the node that it was written for, or null
  double planned_proportion = 0;          // the share: as asked, or what was found to fit
};

// Errors name the node: a value without elements, a constant without data. Refused: a Program
// larger than verify_program takes, as soon as that is known, and what passes the deadline.
Expected<Lowered> lower(const Graph& graph, const LowerOptions& options,
                        const Deadline* deadline = nullptr);

// For each input whose values index a table: the number of rows of the smallest such table.
std::map<std::string, int64_t> index_limits(const Graph& graph);

}  // namespace tessera
