// SPDX-License-Identifier: Apache-2.0
#include "program/stages.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "program/boxes.h"

namespace tessera {
namespace {

Error wrong(const Superstep& step, const std::string& what) {
  return Error{fmt::format("superstep '{}': {}", step.name, what), ErrorKind::BadFile};
}

// By stage: the IPU that its supersteps compute on; -1: no superstep has it.
using IpuOfStage = std::vector<int64_t>;

Status check_place(const Program& program, const Superstep& step, IpuOfStage& ipus) {
  const Range on = ipus_of(step.compute.grid, program.target);
  int64_t& ipu = ipus[static_cast<size_t>(step.stage)];
  if (ipu < 0) ipu = on.begin;
  if (on.size() == 1 && on.begin == ipu) return {};
  return wrong(step, fmt::format("stage {} computes on IPUs {} to {}, must be on IPU {} alone",
                                 step.stage, on.begin, on.end - 1, ipu));
}

Status check_reads(const Program& program, const Superstep& step,
                   const std::vector<int64_t>& written) {
  const auto check = [&](const Region& region) -> Status {
    const auto id = static_cast<size_t>(region.variable);
    if (written[id] <= step.stage) return {};
    return wrong(step, fmt::format("stage {} reads '{}', which stage {} writes, must be an earlier "
                                   "one or the same",
                                   step.stage, program.variables[id].name, written[id]));
  };
  for (const Transfer& transfer : step.exchange) TRY(check(transfer.region));
  for (const Operand& operand : step.compute.operands)
    if (!operand.writes) TRY(check(operand.region));
  return {};
}

}  // namespace

Status check_stages(const Program& program) {
  const auto most = static_cast<int64_t>(program.supersteps.size());
  for (const Superstep& step : program.supersteps)
    if (step.stage < 0 || step.stage >= most)
      return wrong(step, fmt::format("stage is {}, must be from 0 to {}", step.stage, most - 1));
  const int64_t stages = stage_count(program);
  if (stages == 1) return {};
  IpuOfStage ipus(static_cast<size_t>(stages), -1);
  std::vector<int64_t> written(program.variables.size());  // by variable: the last that writes it
  for (const Superstep& step : program.supersteps) {
    TRY(check_place(program, step, ipus));
    TRY(check_reads(program, step, written));
    for (const Operand& operand : step.compute.operands) {
      if (!operand.writes) continue;
      int64_t& last = written[static_cast<size_t>(operand.region.variable)];
      last = std::max<int64_t>(last, step.stage);  // slices may be of several
    }
  }
  for (size_t stage = 0; stage < ipus.size(); ++stage)
    if (ipus[stage] < 0)
      return Error{fmt::format("stage {} of {} has no superstep, must have one", stage, stages),
                   ErrorKind::BadFile};
  return {};
}

}  // namespace tessera
