// SPDX-License-Identifier: Apache-2.0
#include "cost/pipeline.h"

#include <algorithm>

#include "cost/links.h"
#include "program/boxes.h"

namespace tessera {

PipelineCost pipeline_cost(const Program& program, const std::vector<SuperstepCost>& steps) {
  PipelineCost cost;
  cost.stages.resize(static_cast<size_t>(stage_count(program)));
  for (size_t i = 0; i < steps.size(); ++i) {
    const Superstep& step = program.supersteps[i];
    StageCost& stage = cost.stages[static_cast<size_t>(step.stage)];
    stage.ipu = ipus_of(step.compute.grid, program.target).begin;
    const Cycles all = steps[i].rearrange + steps[i].exchange + steps[i].compute + steps[i].sync;
    stage.work.value += all.value - steps[i].links.value;
    stage.links += steps[i].links;
  }
  std::vector<Cycles> of_ipu(static_cast<size_t>(program.target.ipus));
  Cycles work, links;
  for (const StageCost& stage : cost.stages) {
    Cycles& busy = of_ipu[static_cast<size_t>(stage.ipu)];
    busy += stage.work;
    work = std::max(work, busy);
    links = std::max(links, stage.links);
  }
  cost.tick = work + links;
  if (cost.stages.size() > 1) cost.tick += ipu_sync_cycles(program.target);
  return cost;
}

std::vector<int64_t> stashed_copies(const Program& program) {
  std::vector<int64_t> copies(program.variables.size(), 1);
  if (stage_count(program) == 1) return copies;
  std::vector<int64_t> made(program.variables.size());  // by variable: in which stage
  for (const Superstep& step : program.supersteps) {
    const auto read = [&](const Region& region) {
      const auto id = static_cast<size_t>(region.variable);
      if (program.variables[id].kind == VariableKind::Constant) return;
      copies[id] = std::max(copies[id], step.stage - made[id] + 1);
    };
    for (const Transfer& transfer : step.exchange) read(transfer.region);
    for (const Operand& operand : step.compute.operands) {
      if (operand.writes)
        made[static_cast<size_t>(operand.region.variable)] = step.stage;
      else
        read(operand.region);
    }
  }
  return copies;
}

}  // namespace tessera
