// SPDX-License-Identifier: Apache-2.0
#include "executor/zero_parts.h"

#include "executor/direct_steps.h"

namespace tessera {

Expected<std::optional<ZeroParts>> zero_parts_of(const EngineParts& parts) {
  const auto batch = batch_parts_of(parts.executable);
  if (!batch) return std::optional<ZeroParts>();
  const Program& program = parts.executable.program;
  Budget memory(parts.limits, &Limits::memory);
  const std::vector<DirectStep> steps = TRY(join_steps(program, parts.load, memory));
  ZeroParts zeros{*batch, std::vector<ByPartKind<bool>>(program.variables.size())};
  for (const StepStops& stops : short_steps_of(parts.executable, steps, *batch)) {
    for (size_t kind = 0; kind < stops.size(); ++kind)
      for (const VariableId id : stops[kind].zeros)
        zeros.variables[static_cast<size_t>(id)][kind] = true;
  }
  return std::optional(std::move(zeros));
}

}  // namespace tessera
