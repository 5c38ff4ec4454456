// SPDX-License-Identifier: Apache-2.0
#include "executor/direct_steps.h"

#include <algorithm>

namespace tessera {
namespace {

// By variable, the first and the last superstep whose compute set reads it; none if last < first.
struct Readers {
  size_t first = 1, last = 0;
};
std::vector<Readers> readers_of(const Program& program) {
  std::vector<Readers> readers(program.variables.size());
  for (size_t s = 0; s < program.supersteps.size(); ++s) {
    for (const Operand& operand : program.supersteps[s].compute.operands) {
      if (operand.writes) continue;
      Readers& known = readers[static_cast<size_t>(operand.region.variable)];
      if (known.last < known.first) known.first = s;
      known.last = s;
    }
  }
  return readers;
}

}  // namespace

Expected<std::vector<DirectStep>> join_steps(const Program& program, const Deadline& deadline,
                                             Budget& memory) {
  const std::vector<Readers> readers = readers_of(program);
  // An activation that no other superstep reads.
  const auto is_read_only_by = [&](VariableId id, size_t step) {
    const auto variable = static_cast<size_t>(id);
    const Readers& known = readers[variable];
    return program.variables[variable].kind == VariableKind::Activation &&
           (known.last < known.first || (known.first == step && known.last == step));
  };
  std::vector<DirectStep> steps;
  std::vector<JoinedVertex> next;
  for (size_t s = 0; s < program.supersteps.size(); ++s) {
    TRY(deadline.check("loading its supersteps"));
    DirectStep step;
    step.superstep = s;
    step.vertices = next.empty()
                        ? TRY(join_vertices(program, program.supersteps[s].compute, memory))
                        : std::move(next);
    next.clear();
    if (s + 1 < program.supersteps.size()) {
      next = TRY(join_vertices(program, program.supersteps[s + 1].compute, memory));
      const VariableId between = step.vertices[0].operands.back().variable;
      std::vector<JoinedVertex> joined = join_partials(step.vertices, next);
      if (!joined.empty() && is_read_only_by(between, s + 1)) {
        step.vertices = std::move(joined);
        next.clear();
        ++s;
      }
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

// Errors are looked for in whole steps, as the other machine does. A cast is checked in all that it
// made. Indices and keys that belong to no cell are checked in rows without requests as well, and
// all of them at places without requests.
std::vector<StepStops> short_steps_of(const Executable& executable,
                                      const std::vector<DirectStep>& steps,
                                      const BatchParts& batch) {
  const Program& program = executable.program;
  std::vector<WholeStep> whole;
  for (const DirectStep& step : steps) {
    const ComputeSet& set = program.supersteps[step.superstep].compute;
    const auto indices = index_rule(set);
    const auto keys = hidden_rule(program, set);
    const bool by_cell = !keys || (keys->batch == batch.rows && keys->keys == batch.length);
    const bool casts = cast_rule(set).has_value();
    WholeStep found{&step.vertices};
    const bool looks_behind = indices && !is_by_cell(*indices, batch.rows * batch.length);
    found.may_stop = {!casts && by_cell, !casts && !keys, !casts && by_cell};
    found.is_looked_at = {looks_behind, indices.has_value(), looks_behind};
    whole.push_back(found);
  }
  return short_steps(executable, batch, whole);
}

std::vector<Lifetime> lifetimes(const Program& program, const std::vector<DirectStep>& steps) {
  const auto count = static_cast<int64_t>(steps.size());
  std::vector<Lifetime> lives(program.variables.size(), {count, -1, 0});
  const auto touch = [&](VariableId id, int64_t step) {
    const Variable& v = program.variables[static_cast<size_t>(id)];
    Lifetime& life = lives[static_cast<size_t>(id)];
    life.first = std::min(life.first, step);
    life.last = std::max(life.last, step);
    life.bytes = v.kind == VariableKind::Constant ? 0 : v.bytes();
  };
  for (VariableId id : program.inputs) touch(id, -1);
  for (int64_t s = 0; s < count; ++s) {
    for (const JoinedVertex& vertex : steps[static_cast<size_t>(s)].vertices) {
      for (const JoinedOperand& operand : vertex.operands) touch(operand.variable, s);
    }
  }
  for (VariableId id : program.outputs) touch(id, count);
  return lives;
}

}  // namespace tessera
