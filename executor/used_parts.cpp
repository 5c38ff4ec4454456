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

// The length of an axis in the first row, which vertices have along `row`; all of it where they
// have none.
int64_t length_of(const JoinedOperand& operand, size_t axis, const PartAxis& row) {
  const bool has_rows = row.letter != 0 && operand.letters[axis] == row.letter;
  return has_rows && operand.view[axis] > 1 ? row.per_part : operand.view[axis];
}

// The first axis that is longer than 1; -1 if there is none.
int64_t outermost(const JoinedOperand& operand, const PartAxis& row) {
  for (size_t d = 0; d < operand.view.size(); ++d) {
    if (length_of(operand, d, row) > 1) return static_cast<int64_t>(d);
  }
  return -1;
}

struct VerticesLeft {
  std::vector<JoinedVertex> vertices;
  std::vector<PartAxis> axes;
};
VerticesLeft first_parts_along(const std::vector<JoinedVertex>& vertices, const ShortStep& step,
                               int64_t count) {
  VerticesLeft left;
  for (size_t i = 0; i < vertices.size(); ++i) {
    const PartAxis& axis = step.axes[i];
    const Range& box = vertices[i].operands.back().box[axis.axis];
    const int64_t indices = std::min(box.end, count * axis.per_part) - box.begin;
    if (indices <= 0) continue;
    left.vertices.push_back(part_along(vertices[i], axis.letter, {0, indices}));
    left.axes.push_back(axis);
  }
  return left;
}

// The parts that steps stop along.
struct Parts {
  PartKind kind = PartKind::Rows;
  int64_t count = 0;
  std::vector<VariableId> inputs;  // that have them along their outermost axis
  VariableId places = -1;          // the input that says where requests stand; -1: none
};

// A step as it is asked about one kind of parts.
struct Candidate {
  std::vector<JoinedVertex> vertices;
  bool may_stop = true, is_looked_at = false;  // WholeStep
  std::vector<PartAxis> rows = {};  // by vertex, where they were cut to one row; or empty
  bool is_one_row = false;          // cut, or the batch has no other row

  PartAxis row(size_t vertex) const { return rows.empty() ? PartAxis{} : rows[vertex]; }
};

class Analysis {
 public:
  Analysis(const Program& program, Parts parts, std::span<const Candidate> steps)
      : program_(program),
        parts_(std::move(parts)),
        steps_(steps),
        has_parts_(program.variables.size()),
        is_whole_(program.variables.size()),
        writers_(program.variables.size()) {
    for (const Candidate& step : steps) {
      for (const VariableId id : written_by(step)) ++writers_[static_cast<size_t>(id)];
    }
  }

  // By step.
  std::vector<ShortStep> stops() {
    for (int round = 0; round < kMostRounds; ++round) {
      has_parts_.assign(has_parts_.size(), false);
      for (const VariableId id : parts_.inputs) has_parts_[static_cast<size_t>(id)] = true;
      std::vector<ShortStep> found;
      for (const Candidate& step : steps_) found.push_back(stop(step));
      if (parts_.kind == PartKind::Cells && keep_whole(found)) continue;
      add_zeros(found);
      return found;
    }
    return std::vector<ShortStep>(steps_.size());
  }

 private:
  // A value that is kept whole changes which steps can stop; models need two rounds.
  static constexpr int kMostRounds = 16;

  static std::vector<VariableId> written_by(const Candidate& step) {
    std::vector<VariableId> written;
    for (const JoinedVertex& vertex : step.vertices) {
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

  ShortStep stop(const Candidate& step) {
    const std::vector<VariableId> written = written_by(step);
    const auto may_be_short = [&](VariableId id) {
      const auto variable = static_cast<size_t>(id);
      return writers_[variable] == 1 && !is_whole_[variable];
    };
    if (!step.may_stop || !std::ranges::all_of(written, may_be_short)) return {};
    ShortStep result;
    for (size_t i = 0; i < step.vertices.size(); ++i) {
      const PartAxis axis = axis_of(step.vertices[i], step.row(i));
      if (axis.letter == 0) return {};
      result.axes.push_back(axis);
    }
    for (const VariableId id : written) has_parts_[static_cast<size_t>(id)] = true;
    return result;
  }

  // Along the outermost axis of what it writes, if the parts of all that it reads lie there as
  // well.
  PartAxis axis_of(const JoinedVertex& vertex, const PartAxis& row) const {
    const JoinedOperand& made = vertex.operands.back();
    const int64_t outer = outermost(made, row);
    if (!made.writes || outer < 0) return {};
    const auto d = static_cast<size_t>(outer);
    const int64_t length = length_of(made, d, row);
    const char letter = made.letters[d];
    if (length % parts_.count != 0 || std::isupper(static_cast<unsigned char>(letter)) == 0 ||
        !is_cut(vertex, letter))
      return {};
    bool reads_parts = false;
    for (const JoinedOperand& operand : vertex.operands) {
      const bool must_lie_so =
          operand.writes || (has_parts(operand) && !says_places(vertex, operand) &&
                             !is_of_keys(vertex, operand, letter));
      if (must_lie_so && !lies_along(operand, letter, made, d, row)) return {};
      reads_parts |= !operand.writes && has_parts(operand);
    }
    if (!reads_parts && !packs(vertex)) return {};  // of constants alone, it may have no parts
    return {letter, d, length / parts_.count};
  }

  // Does the vertex write the cells of a batch, whatever it reads?
  bool packs(const JoinedVertex& vertex) const {
    return parts_.kind != PartKind::Requests && vertex.codelet->role == Role::Packing;
  }
  // Does the vertex write a place for each request, where this operand says that it stands?
  bool says_places(const JoinedVertex& vertex, const JoinedOperand& operand) const {
    return vertex.codelet->role == Role::Unpacking && operand.variable == parts_.places;
  }
  // Does attention, which makes something for each query, read all keys of this operand?
  bool is_of_keys(const JoinedVertex& vertex, const JoinedOperand& operand, char letter) const {
    return parts_.kind == PartKind::Cells && vertex.codelet->role == Role::Attention &&
           !operand.writes && operand.letters.find(letter) == std::string::npos &&
           !is_bias(vertex, operand);
  }
  // A bias of attention hides the keys behind a request by low numbers, and shows them by zeros. A
  // mask of keys, which is i32, hides them by zeros.
  bool is_bias(const JoinedVertex& vertex, const JoinedOperand& operand) const {
    constexpr ptrdiff_t kMasks = 3;  // behind queries, keys and values
    return vertex.codelet->role == Role::Attention && !operand.writes &&
           &operand - vertex.operands.data() >= kMasks &&
           program_.variables[static_cast<size_t>(operand.variable)].dtype != DType::I32;
  }

  static bool is_cut(const JoinedVertex& vertex, char letter) {
    const Extents extents = vertex.codelet->extents(vertex.shape());
    return std::ranges::any_of(extents.cuts,
                               [&](const Extents::Cut& cut) { return cut.letter == letter; });
  }

  // The same indices of an axis of the same length, before which there is nothing.
  static bool lies_along(const JoinedOperand& operand, char letter, const JoinedOperand& made,
                         size_t d, const PartAxis& row) {
    const int64_t own = outermost(operand, row);
    if (own < 0 || std::ranges::count(operand.letters, letter) != 1) return false;
    const auto axis = static_cast<size_t>(own);
    return operand.letters[axis] == letter &&
           length_of(operand, axis, row) == length_of(made, d, row) &&
           operand.box[axis] == made.box[d];
  }

  // Does the vertex add up what it reads along the cells of this operand? Cells that hold no
  // request add nothing to an answer, whatever they hold, so they may hold zeros.
  bool adds_up(const Candidate& step, size_t vertex, const JoinedOperand& operand) const {
    const JoinedVertex& of = step.vertices[vertex];
    if (is_bias(of, operand)) return false;
    switch (of.codelet->role) {
      case Role::Unpacking: return true;  // takes those of requests
      case Role::Product:
      case Role::Attention: break;
      case Role::Reduction:
        if (param(of.params, "kind") == 0) break;
        return false;
      case Role::Other:
      case Role::PartialSum:
      case Role::Packing: return false;
    }
    const int64_t cells = outermost(operand, step.row(vertex));
    const std::string& made = of.operands.back().letters;
    return step.is_one_row && cells >= 0 &&
           made.find(operand.letters[static_cast<size_t>(cells)]) == std::string::npos;
  }

  // A step that reads all cells of a row and does not add them up needs what they really hold: the
  // greatest of them may be less than 0, and a quotient by 0 is infinite. Such values are computed
  // whole, and so are those that they are made from. Was there one that was not known?
  bool keep_whole(const std::vector<ShortStep>& found) {
    bool is_new = false;
    for (size_t s = found.size(); s-- > 0;) {
      const Candidate& step = steps_[s];
      const auto is_whole = [&](VariableId id) { return is_whole_[static_cast<size_t>(id)]; };
      if (!found[s].axes.empty() && std::ranges::none_of(written_by(step), is_whole)) continue;
      for (size_t i = 0; i < step.vertices.size(); ++i) {
        for (const JoinedOperand& operand : step.vertices[i].operands) {
          const auto variable = static_cast<size_t>(operand.variable);
          if (operand.writes || !has_parts_[variable] || is_whole_[variable]) continue;
          if (adds_up(step, i, operand)) continue;
          is_whole_[variable] = true;
          is_new |= writers_[variable] > 0;
        }
      }
    }
    return is_new;
  }

  // An activation that the caller sees, or a vertex reads as far as it goes, has to have all its
  // elements, and one in which the machine looks for errors.
  void add_zeros(std::vector<ShortStep>& found) const {
    std::vector<bool> is_read_whole(has_parts_.size());
    for (const VariableId id : program_.outputs) is_read_whole[static_cast<size_t>(id)] = true;
    for (size_t s = 0; s < found.size(); ++s) {
      const bool is_whole = found[s].axes.empty() || steps_[s].is_looked_at;
      for (size_t i = 0; i < steps_[s].vertices.size(); ++i) {
        for (const JoinedOperand& operand : steps_[s].vertices[i].operands) {
          if (is_whole || operand.letters.find(found[s].axes[i].letter) == std::string::npos)
            is_read_whole[static_cast<size_t>(operand.variable)] = true;
        }
      }
    }
    for (size_t s = 0; s < found.size(); ++s) {
      if (found[s].axes.empty()) continue;
      for (const VariableId id : written_by(steps_[s])) {
        if (is_read_whole[static_cast<size_t>(id)]) found[s].zeros.push_back(id);
      }
    }
  }

  const Program& program_;
  Parts parts_;
  std::span<const Candidate> steps_;
  std::vector<bool> has_parts_;
  std::vector<bool> is_whole_;  // what is computed whole, although it has parts
  std::vector<int> writers_;    // steps, by variable
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
  const auto [least, most] = std::minmax(packing.rows, packing.row_length);
  if (least < 1 || most > kMaxElements) return {};  // of no executable that was verified
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

std::vector<StepStops> short_steps(const Executable& executable, const BatchParts& batch,
                                   std::span<const WholeStep> steps) {
  const Program& program = executable.program;
  const std::vector<VariableId> cells = row_inputs_of(executable, batch);
  std::vector<StepStops> found(steps.size());
  const auto find = [&](Parts parts, const auto& may_stop) {
    const auto kind = static_cast<size_t>(parts.kind);
    std::vector<Candidate> candidates;
    for (size_t s = 0; s < steps.size(); ++s) {
      const ShortStep& rows = found[s][static_cast<size_t>(PartKind::Rows)];
      Candidate candidate{*steps[s].vertices, steps[s].may_stop[kind] && may_stop(rows),
                          steps[s].is_looked_at[kind]};
      if (parts.kind == PartKind::Cells && !rows.axes.empty()) {
        VerticesLeft row = first_parts_along(candidate.vertices, rows, 1);
        candidate.vertices = std::move(row.vertices);
        candidate.rows = std::move(row.axes);
      }
      candidate.is_one_row = batch.rows == 1 || !candidate.rows.empty();
      candidates.push_back(std::move(candidate));
    }
    std::vector<ShortStep> own = Analysis(program, std::move(parts), candidates).stops();
    for (size_t s = 0; s < steps.size(); ++s) found[s][kind] = std::move(own[s]);
  };
  if (batch.rows > 1)
    find({PartKind::Rows, batch.rows, cells}, [](const ShortStep&) { return true; });
  if (batch.requests > 1) {
    const VariableId places = program.inputs[batch.places];
    find({PartKind::Requests, batch.requests, {places}, places},
         [](const ShortStep& rows) { return rows.axes.empty(); });
  }
  if (batch.length > 1) {
    find({PartKind::Cells, batch.length, cells},
         [&](const ShortStep& rows) { return batch.rows == 1 || !rows.axes.empty(); });
  }
  return found;
}

std::vector<JoinedVertex> first_parts(const std::vector<JoinedVertex>& vertices,
                                      const StepStops& stops, PartKind kind, int64_t count) {
  const ShortStep& rows = stops[static_cast<size_t>(PartKind::Rows)];
  const ShortStep& step = stops[static_cast<size_t>(kind)];
  if (kind != PartKind::Cells || rows.axes.empty())
    return first_parts_along(vertices, step, count).vertices;
  return first_parts_along(first_parts_along(vertices, rows, 1).vertices, step, count).vertices;
}

std::vector<int64_t> part_counts(int64_t all) {
  std::vector<int64_t> counts;
  for (int64_t count = 0; count < all;) {
    count = least_count(count + 1, all);
    counts.push_back(count);
  }
  return counts;
}

ByPartKind<int64_t> parts_to_compute(const BatchParts& batch, const UsedCells& used,
                                     std::span<const std::span<const std::byte>> inputs) {
  int64_t cells = std::ssize(used);
  if (cells != batch.rows * batch.length) return {batch.rows, batch.requests, batch.length};
  while (cells > 1 && !used[static_cast<size_t>(cells - 1)]) --cells;
  const int64_t rows = ceil_div(cells, batch.length);
  return {least_count(rows, batch.rows), requests_to_compute(batch, inputs),
          rows == 1 ? least_count(cells, batch.length) : batch.length};
}

}  // namespace tessera
