// SPDX-License-Identifier: Apache-2.0
// The time of a pipeline. Every stage works on a batch of its own; a tick ends when the slowest IPU
// is through with its stages, and then results go to the stages behind, over links. A batch is done
// after as many ticks as there are stages; the first batches of an engine run find the stages
// behind them empty, the last those before them. Formulas: docs/ipus.md.
#pragma once

#include <cstdint>
#include <vector>

#include "cost/cost.h"
#include "program/program.h"
#include "program/target.h"

namespace tessera {

struct StageCost {
  int64_t ipu = 0;
  Cycles work;   // without links
  Cycles links;  // what comes to it from other IPUs
};

struct PipelineCost {
  std::vector<StageCost> stages;
  Cycles tick;
  // Ticks of an engine run of this number of batches.
  int64_t ticks(int64_t batches) const { return batches + std::ssize(stages) - 1; }
};

// `steps`: the cost of each superstep. One stage: a tick is the whole Program.
PipelineCost pipeline_cost(const Program& program, const std::vector<SuperstepCost>& steps);

// How many batches have their own copy of the variable at the same time: one for each stage from
// the one that makes it to the last that reads it. 1 without a pipeline.
std::vector<int64_t> stashed_copies(const Program& program);

}  // namespace tessera
