// SPDX-License-Identifier: Apache-2.0
#include "executor/used_rows.h"

#include <algorithm>
#include <bit>
#include <cctype>

#include "executor/pieces.h"
#include "program/boxes.h"
#include "support/math.h"

namespace tessera {
namespace {

// The first axis of a view that is longer than 1; -1 if there is none.
int64_t outermost(const Shape& view) {
  for (size_t d = 0; d < view.size(); ++d) {
    if (view[d] > 1) return static_cast<int64_t>(d);
  }
  return -1;
}

class Analysis {
 public:
  Analysis(const Program& program, int64_t rows, std::span<const WholeStep> steps)
      : program_(program),
        rows_(rows),
        steps_(steps),
        has_rows_(program.variables.size()),
        writers_(program.variables.size()) {
    for (const WholeStep& step : steps) {
      for (const VariableId id : written_by(*step.vertices)) ++writers_[static_cast<size_t>(id)];
    }
  }

  std::vector<ShortStep> run(const std::vector<VariableId>& row_inputs) {
    for (const VariableId id : row_inputs) has_rows_[static_cast<size_t>(id)] = true;
    std::vector<ShortStep> found;
    for (size_t s = 0; s < steps_.size(); ++s) found.push_back(step(s));
    add_zeros(found);
    return found;
  }

 private:
  static std::vector<VariableId> written_by(const std::vector<JoinedVertex>& vertices) {
    std::vector<VariableId> written;
    for (const JoinedVertex& vertex : vertices) {
      for (const JoinedOperand& operand : vertex.operands) {
        if (operand.writes && std::ranges::find(written, operand.variable) == written.end())
          written.push_back(operand.variable);
      }
    }
    return written;
  }

  bool has_rows(const JoinedOperand& operand) const {
    return has_rows_[static_cast<size_t>(operand.variable)];
  }

  ShortStep step(size_t s) {
    const std::vector<JoinedVertex>& vertices = *steps_[s].vertices;
    const std::vector<VariableId> written = written_by(vertices);
    const auto written_once = [&](VariableId id) { return writers_[static_cast<size_t>(id)] == 1; };
    if (!steps_[s].may_stop || !std::ranges::all_of(written, written_once)) return {};
    ShortStep result;
    for (const JoinedVertex& vertex : vertices) {
      const RowAxis axis = axis_of(vertex);
      if (axis.letter == 0) return {};
      result.axes.push_back(axis);
    }
    for (const VariableId id : written) has_rows_[static_cast<size_t>(id)] = true;
    return result;
  }

  // Along the outermost axis of what it writes, if the rows of all that it reads lie there as well.
  RowAxis axis_of(const JoinedVertex& vertex) const {
    const JoinedOperand& made = vertex.operands.back();
    const int64_t d = outermost(made.view);
    if (!made.writes || d < 0 || made.view[static_cast<size_t>(d)] % rows_ != 0) return {};
    const char letter = made.letters[static_cast<size_t>(d)];
    if (std::isupper(static_cast<unsigned char>(letter)) == 0 || !is_cut(vertex, letter)) return {};
    bool reads_rows = false;
    for (const JoinedOperand& operand : vertex.operands) {
      const bool must_lie_so = operand.writes || has_rows(operand);
      if (must_lie_so && !lies_along(operand, letter, made, static_cast<size_t>(d))) return {};
      reads_rows |= !operand.writes && has_rows(operand);
    }
    if (!reads_rows && !packs(vertex)) return {};  // of constants alone, it may have no rows
    return {letter, made.view[static_cast<size_t>(d)] / rows_};
  }

  // Does the vertex write the cells of a batch, whatever it reads?
  static bool packs(const JoinedVertex& vertex) { return vertex.codelet->role == Role::Packing; }

  static bool is_cut(const JoinedVertex& vertex, char letter) {
    const Extents extents = vertex.codelet->extents(vertex.shape());
    return std::ranges::any_of(extents.cuts,
                               [&](const Extents::Cut& cut) { return cut.letter == letter; });
  }

  // The same indices of an axis of the same length, before which there is nothing.
  static bool lies_along(const JoinedOperand& operand, char letter, const JoinedOperand& made,
                         size_t d) {
    const int64_t own = outermost(operand.view);
    if (own < 0 || std::ranges::count(operand.letters, letter) != 1) return false;
    const auto axis = static_cast<size_t>(own);
    return operand.letters[axis] == letter && operand.view[axis] == made.view[d] &&
           operand.box[axis] == made.box[d];
  }

  // An activation that the caller sees, or a step that does not stop early, has to be whole, and
  // one in which the machine looks for errors.
  void add_zeros(std::vector<ShortStep>& found) const {
    std::vector<bool> is_read_whole(has_rows_.size());
    for (const VariableId id : program_.outputs) is_read_whole[static_cast<size_t>(id)] = true;
    for (size_t s = 0; s < found.size(); ++s) {
      if (!found[s].axes.empty() && !steps_[s].is_looked_at) continue;
      for (const JoinedVertex& vertex : *steps_[s].vertices) {
        for (const JoinedOperand& operand : vertex.operands)
          is_read_whole[static_cast<size_t>(operand.variable)] = true;
      }
    }
    for (size_t s = 0; s < found.size(); ++s) {
      if (found[s].axes.empty()) continue;
      for (const VariableId id : written_by(*steps_[s].vertices)) {
        if (is_read_whole[static_cast<size_t>(id)]) found[s].zeros.push_back(id);
      }
    }
  }

  const Program& program_;
  int64_t rows_;
  std::span<const WholeStep> steps_;
  std::vector<bool> has_rows_;
  std::vector<int> writers_;  // steps, by variable
};

// Powers of two, and three quarters of them.
int64_t least_count(int64_t at_least, int64_t all) {
  const auto two = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(at_least)));
  const int64_t less = two / 4 * 3;
  return std::min(all, at_least <= less ? less : two);
}

}  // namespace

std::optional<BatchRows> batch_rows_of(const Executable& executable) {
  const PackingContract& packing = executable.metadata.packing;
  if (packing.row_length < 1) return {};
  if (packing.form == PackingForm::None && packing.request_size == RequestSize::Batch) return {};
  const int64_t rows = packing.rows / executable.metadata.replication_factor;  // of the Program's
  if (rows < 2) return {};
  return BatchRows{rows, packing.row_length};
}

std::vector<VariableId> row_inputs_of(const Executable& executable, const BatchRows& batch) {
  std::vector<VariableId> inputs;
  for (const VariableId id : executable.program.inputs) {
    const Variable& variable = executable.program.variables[static_cast<size_t>(id)];
    const Shape& shape = variable.shape;
    if (shape.size() >= 2 && shape[0] == batch.rows && shape[1] == batch.length &&
        variable.name != executable.metadata.packing.unpack_info_input)
      inputs.push_back(id);
  }
  return inputs;
}

std::vector<ShortStep> short_steps(const Program& program, std::span<const WholeStep> steps,
                                   const std::vector<VariableId>& row_inputs, int64_t rows) {
  return Analysis(program, rows, steps).run(row_inputs);
}

std::vector<JoinedVertex> first_rows(const std::vector<JoinedVertex>& vertices,
                                     const ShortStep& step, int64_t rows) {
  std::vector<JoinedVertex> left;
  for (size_t i = 0; i < vertices.size(); ++i) {
    const RowAxis& axis = step.axes[i];
    const JoinedOperand& made = vertices[i].operands.back();
    const Range& box = made.box[static_cast<size_t>(outermost(made.view))];
    const int64_t count = std::min(box.end, rows * axis.per_row) - box.begin;
    if (count <= 0) continue;
    left.push_back(part_along(vertices[i], axis.letter, {0, count}));
  }
  return left;
}

std::vector<int64_t> row_counts(int64_t rows) {
  std::vector<int64_t> counts;
  for (int64_t count = 0; count < rows;) {
    count = least_count(count + 1, rows);
    counts.push_back(count);
  }
  return counts;
}

int64_t rows_to_compute(const BatchRows& batch, const UsedCells& used) {
  int64_t cells = std::ssize(used);
  if (cells != batch.rows * batch.length) return batch.rows;
  while (cells > 0 && !used[static_cast<size_t>(cells - 1)]) --cells;
  return least_count(std::max<int64_t>(1, ceil_div(cells, batch.length)), batch.rows);
}

}  // namespace tessera
