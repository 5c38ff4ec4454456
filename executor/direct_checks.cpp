// SPDX-License-Identifier: Apache-2.0
#include "executor/direct_checks.h"

#include <algorithm>
#include <optional>

#include "executor/pieces.h"

namespace tessera {
namespace {

// Vertices that differ in the table alone share their indices.
void note_indices(std::span<std::byte* const> base, DirectStep& step) {
  for (const JoinedVertex& vertex : step.vertices) {
    const JoinedOperand& operand = vertex.operands[kGatherIndices];
    const VertexOperand indices =
        operand_over(operand, base[static_cast<size_t>(operand.variable)]);
    const auto is_same = [&](const VertexOperand& other) { return other.data == indices.data; };
    if (std::ranges::none_of(step.indices, is_same)) step.indices.push_back(indices);
  }
}

}  // namespace

void note_rules(const Program& program, std::span<std::byte* const> base, DirectStep& step) {
  const ComputeSet& compute = program.supersteps[step.superstep].compute;
  step.index_rule = index_rule(compute);
  if (step.index_rule) note_indices(base, step);
  step.cast_rule = cast_rule(compute);
  step.hidden_rule = hidden_rule(program, compute);
}

Status check_indices(const Program& program, const DirectStep& step, const UsedCells& used) {
  std::optional<WrongIndex> wrong;
  for (const VertexOperand& indices : step.indices)
    wrong = find_wrong_index(*step.index_rule, indices, used, wrong);
  if (!wrong) return {};
  return wrong_index(program.supersteps[step.superstep], *step.index_rule, *wrong);
}

Status check_hidden(const Program& program, const DirectStep& step, const Calls& calls,
                    const UsedCells& used) {
  if (!step.hidden_rule) return {};
  return check_hidden_keys(program.supersteps[step.superstep], *step.hidden_rule, calls.operands,
                           step.operands_each, used);
}

Status check_casts(const Program& program, const DirectStep& step) {
  for (int64_t piece = 0; step.cast_rule && piece < step.calls.pieces; ++piece) {
    const auto made = static_cast<size_t>((piece + 1) * step.operands_each - 1);
    if (const auto wrong = find_wrong_cast(*step.cast_rule, step.calls.operands[made]))
      return wrong_cast(program.supersteps[step.superstep], *step.cast_rule, *wrong);
  }
  return {};
}

}  // namespace tessera
