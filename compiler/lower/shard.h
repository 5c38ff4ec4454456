// SPDX-License-Identifier: Apache-2.0
// Cutting a graph into parts, each for an IPU of its own.
#pragma once

#include <string>
#include <vector>

#include "compiler/lower/lower.h"
#include "cost/cost.h"
#include "ir/graph.h"
#include "support/expected.h"

namespace tessera {

// As PopRT cuts by hand: the entries in turn take the nodes that come from an ONNX node of this
// name, and all that they need and no earlier entry took. The rest goes to the IPU behind the
// last entry's, where there is one, else to that one. Usage errors: a name that the model does not
// have, an IPU that the target does not have, stages that fall or leave one out, a stage on two.
struct ShardCut {
  std::string node;
  int64_t ipu = 0, stage = 0;
};
Expected<Placements> cut_by_hand(const Graph& graph, const std::vector<ShardCut>& cuts,
                                 int64_t ipus, bool pipelined);

// Cuts of the nodes, in their order, into one part for each IPU, from the evenest by cycles to the
// evenest by constants' bytes; where several are as even, the one that sends least over links.
// `whole` is the graph lowered for one IPU of the target, and `cost` what it takes.
std::vector<Placements> cuts_by_cost(const Graph& graph, const Lowered& whole,
                                     const ProgramCost& cost, const Target& target, bool pipelined);

}  // namespace tessera
