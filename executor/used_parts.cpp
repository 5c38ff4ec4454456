// SPDX-License-Identifier: Apache-2.0
#include "executor/used_parts.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <cstring>
#include <utility>

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

// The parts that steps stop along.
struct Parts {
  PartKind kind = PartKind::Rows;
  int64_t count = 0;
  std::vector<VariableId> inputs;  // that have them along their outermost axis
  VariableId places = -1;          // the input that says where requests stand; -1: none
};

class Analysis {
 public:
  Analysis(const Program& program, Parts parts, std::span<const WholeStep> steps)
      : program_(program),
        parts_(std::move(parts)),
        steps_(steps),
        has_parts_(program.variables.size()),
        writers_(program.variables.size()) {
    for (const WholeStep& step : steps) {
      for (const VariableId id : written_by(*step.vertices)) ++writers_[static_cast<size_t>(id)];
    }
  }

  // `found` has what steps do along other parts; those that do nothing may get these.
  void add_to(std::vector<ShortStep>& found) {
    for (const VariableId id : parts_.inputs) has_parts_[static_cast<size_t>(id)] = true;
    std::vector<ShortStep> own(steps_.size());
    for (size_t s = 0; s < steps_.size(); ++s)
      if (found[s].axes.empty()) own[s] = step(s);
    add_zeros(own);
    for (size_t s = 0; s < steps_.size(); ++s)
      if (!own[s].axes.empty()) found[s] = std::move(own[s]);
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

  bool has_parts(const JoinedOperand& operand) const {
    return has_parts_[static_cast<size_t>(operand.variable)];
  }
  bool of_steps(const std::array<bool, 2>& by_kind) const {
    return by_kind[static_cast<size_t>(parts_.kind)];
  }

  ShortStep step(size_t s) {
    const std::vector<JoinedVertex>& vertices = *steps_[s].vertices;
    const std::vector<VariableId> written = written_by(vertices);
    const auto written_once = [&](VariableId id) { return writers_[static_cast<size_t>(id)] == 1; };
    if (!of_steps(steps_[s].may_stop) || !std::ranges::all_of(written, written_once)) return {};
    ShortStep result;
    result.kind = parts_.kind;
    for (const JoinedVertex& vertex : vertices) {
      const PartAxis axis = axis_of(vertex);
      if (axis.letter == 0) return {};
      result.axes.push_back(axis);
    }
    for (const VariableId id : written) has_parts_[static_cast<size_t>(id)] = true;
    return result;
  }

  // Along the outermost axis of what it writes, if the parts of all that it reads lie there as
  // well.
  PartAxis axis_of(const JoinedVertex& vertex) const {
    const JoinedOperand& made = vertex.operands.back();
    const int64_t d = outermost(made.view);
    if (!made.writes || d < 0 || made.view[static_cast<size_t>(d)] % parts_.count != 0) return {};
    const char letter = made.letters[static_cast<size_t>(d)];
    if (std::isupper(static_cast<unsigned char>(letter)) == 0 || !is_cut(vertex, letter)) return {};
    bool reads_parts = false;
    for (const JoinedOperand& operand : vertex.operands) {
      const bool must_lie_so =
          operand.writes || (has_parts(operand) && !says_places(vertex, operand));
      if (must_lie_so && !lies_along(operand, letter, made, static_cast<size_t>(d))) return {};
      reads_parts |= !operand.writes && has_parts(operand);
    }
    if (!reads_parts && !packs(vertex)) return {};  // of constants alone, it may have no parts
    return {letter, made.view[static_cast<size_t>(d)] / parts_.count};
  }

  // Does the vertex write the cells of a batch, whatever it reads?
  bool packs(const JoinedVertex& vertex) const {
    return parts_.kind == PartKind::Rows && vertex.codelet->role == Role::Packing;
  }
  // Does the vertex write a place for each request, where this operand says that it stands?
  bool says_places(const JoinedVertex& vertex, const JoinedOperand& operand) const {
    return vertex.codelet->role == Role::Unpacking && operand.variable == parts_.places;
  }

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
    std::vector<bool> is_read_whole(has_parts_.size());
    for (const VariableId id : program_.outputs) is_read_whole[static_cast<size_t>(id)] = true;
    for (size_t s = 0; s < found.size(); ++s) {
      if (!found[s].axes.empty() && !of_steps(steps_[s].is_looked_at)) continue;
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
  Parts parts_;
  std::span<const WholeStep> steps_;
  std::vector<bool> has_parts_;
  std::vector<int> writers_;  // steps, by variable
};

// Powers of two, and three quarters of them.
int64_t least_count(int64_t at_least, int64_t all) {
  const auto two = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(at_least)));
  const int64_t less = two / 4 * 3;
  return std::min(all, at_least <= less ? less : two);
}

// The inputs of one value, or line of values, for each cell.
std::vector<VariableId> row_inputs_of(const Executable& executable, const BatchParts& batch) {
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

// The last number of a place is its request's length, which is 0 where there is none.
int64_t requests_to_compute(const BatchParts& batch,
                            std::span<const std::span<const std::byte>> inputs) {
  if (batch.requests == 0) return 0;
  const std::span<const std::byte> places = inputs[batch.places];
  const size_t each = places.size() / static_cast<size_t>(batch.requests);
  int64_t requests = batch.requests;
  for (; requests > 1; --requests) {
    int32_t length = 0;
    std::memcpy(&length, places.data() + static_cast<size_t>(requests) * each - sizeof length,
                sizeof length);
    if (length != 0) break;
  }
  return least_count(requests, batch.requests);
}

}  // namespace

std::optional<BatchParts> batch_parts_of(const Executable& executable) {
  const PackingContract& packing = executable.metadata.packing;
  if (packing.row_length < 1) return {};
  if (packing.form == PackingForm::None && packing.request_size == RequestSize::Batch) return {};
  BatchParts batch;
  batch.rows = packing.rows / executable.metadata.replication_factor;  // of the Program's
  batch.length = packing.row_length;
  const Program& program = executable.program;
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    const Variable& variable = program.variables[static_cast<size_t>(program.inputs[i])];
    const Shape& shape = variable.shape;
    if (packing.form == PackingForm::None || variable.name != packing.unpack_info_input ||
        variable.dtype != DType::I32 || shape.size() != 2 || shape[0] < 2 || shape[1] < 1)
      continue;
    batch.requests = shape[0];
    batch.places = i;
  }
  if (batch.rows < 1 || (batch.rows < 2 && batch.requests == 0)) return {};
  return batch;
}

std::vector<ShortStep> short_steps(const Executable& executable, const BatchParts& batch,
                                   std::span<const WholeStep> steps) {
  const Program& program = executable.program;
  std::vector<ShortStep> found(steps.size());
  if (batch.rows > 1) {
    Parts rows{PartKind::Rows, batch.rows, row_inputs_of(executable, batch)};
    Analysis(program, std::move(rows), steps).add_to(found);
  }
  if (batch.requests > 1) {
    const VariableId places = program.inputs[batch.places];
    Parts requests{PartKind::Requests, batch.requests, {places}, places};
    Analysis(program, std::move(requests), steps).add_to(found);
  }
  return found;
}

std::vector<JoinedVertex> first_parts(const std::vector<JoinedVertex>& vertices,
                                      const ShortStep& step, int64_t count) {
  std::vector<JoinedVertex> left;
  for (size_t i = 0; i < vertices.size(); ++i) {
    const PartAxis& axis = step.axes[i];
    const JoinedOperand& made = vertices[i].operands.back();
    const Range& box = made.box[static_cast<size_t>(outermost(made.view))];
    const int64_t indices = std::min(box.end, count * axis.per_part) - box.begin;
    if (indices <= 0) continue;
    left.push_back(part_along(vertices[i], axis.letter, {0, indices}));
  }
  return left;
}

std::vector<int64_t> part_counts(int64_t all) {
  std::vector<int64_t> counts;
  for (int64_t count = 0; count < all;) {
    count = least_count(count + 1, all);
    counts.push_back(count);
  }
  return counts;
}

std::array<int64_t, 2> parts_to_compute(const BatchParts& batch, const UsedCells& used,
                                        std::span<const std::span<const std::byte>> inputs) {
  int64_t cells = std::ssize(used);
  if (cells != batch.rows * batch.length) return {batch.rows, batch.requests};
  while (cells > 0 && !used[static_cast<size_t>(cells - 1)]) --cells;
  const int64_t rows = std::max<int64_t>(1, ceil_div(cells, batch.length));
  return {least_count(rows, batch.rows), requests_to_compute(batch, inputs)};
}

}  // namespace tessera
