// SPDX-License-Identifier: Apache-2.0
// The isolated machine: every tile has a memory of its own and nothing else is handed to a vertex.
//
// A tile holds its blocks of the mapped variables, and for the time of a superstep what the
// exchange delivers. All of it is poisoned (NaN in both float types) before it is written, so what
// a wrong Program reads shows; what a kernel is handed ends at a guard page. An operand is
// collected from what lies on the tile, and a superstep whose operand does not lie there is
// refused: verify_program proves it, this machine tries it. Parts without requests are computed,
// and are zeros where the direct machine has zeros (used_parts.h).
#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <optional>

#include "cost/kept.h"
#include "executor/engine.h"
#include "executor/hidden_check.h"
#include "executor/host_memory.h"
#include "executor/index_check.h"
#include "executor/inside.h"
#include "executor/loaded_step.h"
#include "executor/pieces.h"
#include "executor/run_work.h"
#include "executor/tile_piece.h"
#include "executor/used_parts.h"
#include "executor/vertex.h"
#include "executor/zero_parts.h"
#include "program/boxes.h"
#include "program/overlap.h"
#include "support/fault.h"

namespace tessera {
namespace {

// The operands that a kernel is handed, one piece of memory after the other: each ends at a guard
// page, whatever its size.
class Handed {
 public:
  Expected<std::byte*> take(int64_t bytes) {
    if (bytes > buffer_.size() || buffer_.data() == nullptr) {
      buffer_ = TRY(HostBuffer::allocate(aligned_size(bytes)));
    }
    return buffer_.data() + buffer_.size() - bytes;
  }

 private:
  HostBuffer buffer_;
};

// How much its vertices walk through, by class.
RunWork work_of(const Program& program, const ComputeSet& set, RunWork work) {
  const Codelet* codelet = find_codelet(set.codelet);
  const VertexClasses classes = alike_vertices(set);
  std::vector<int64_t> members(classes.representative.size());
  for (int32_t which : classes.of_vertex) ++members[static_cast<size_t>(which)];
  for (size_t c = 0; c < members.size(); ++c) {
    const VertexShape shape = vertex_shape(program, set, classes.representative[c]);
    work.add(work_of(shape, codelet->extents(shape)), members[c]);
  }
  return work;
}

struct Delivery {
  VariableId variable = -1;
  TilePiece piece;
};

class IsolatedEngine : public Engine {
 public:
  IsolatedEngine(const EngineParts& parts, std::vector<LoadedStep> steps,
                 std::optional<ZeroParts> zeros);
  Status run(HostInputs inputs, HostOutputs outputs, const UsedCells& used,
             std::span<double> seconds) override;
  int64_t host_bytes() const override { return host_bytes_; }
  std::vector<int64_t> exchanged_bytes() const override { return exchanged_; }

 private:
  const Variable& variable(VariableId id) const {
    return parts_.executable.program.variables[static_cast<size_t>(id)];
  }
  std::byte poison() const { return parts_.fill.value_or(kPoison); }
  // The variable's block on the tile; null where it has none there.
  TilePiece* block_on(VariableId id, int64_t tile);
  void from_host(VariableId id, std::span<const std::byte> bytes);
  void to_host(VariableId id, std::span<std::byte> bytes) const;
  void fill_zeros(const Superstep& step);
  void fill_zeros(VariableId id, const Range& part);
  Expected<int64_t> exchange(const Superstep& step, const Deadline& deadline);
  Status run_step(const LoadedStep& loaded, const Deadline& deadline);
  Status run_vertex(const LoadedStep& loaded, int64_t k);
  void look_at_indices(const VertexOperand& operand, TilePiece& piece);
  Status look_at_hidden_keys(const Superstep& step, std::vector<VertexOperand> operands,
                             std::vector<TilePiece>& pieces);
  Status call(const LoadedStep& loaded, const VertexClass& vertex,
              std::vector<VertexOperand>& operands, std::vector<TilePiece>& pieces);
  Status collect(const Superstep& step, size_t operand, int64_t tile, TilePiece& piece);
  Status store(const Superstep& step, size_t operand, int64_t tile, const TilePiece& piece);
  Error not_on_tile(const Superstep& step, size_t operand, int64_t count, int64_t tile) const;

  EngineParts parts_;
  std::vector<LoadedStep> steps_;
  std::optional<ZeroParts> zeros_;
  std::vector<std::vector<TilePiece>> blocks_;     // by variable and block
  std::vector<std::vector<Delivery>> deliveries_;  // by tile, of this superstep
  std::vector<int64_t> exchanged_;
  std::optional<IndexRule> index_rule_;  // of this superstep
  std::optional<HiddenRule> hidden_rule_;
  std::optional<WrongIndex> wrong_index_;
  UsedCells used_;                   // of this run
  ByPartKind<int64_t> counts_ = {};  // of parts that count
  std::vector<Handed> handed_;       // by operand
  Handed scratch_;
  int64_t host_bytes_ = 0;
};

IsolatedEngine::IsolatedEngine(const EngineParts& parts, std::vector<LoadedStep> steps,
                               std::optional<ZeroParts> zeros)
    : parts_(parts), steps_(std::move(steps)), zeros_(std::move(zeros)) {
  const Program& program = parts.executable.program;
  deliveries_.resize(static_cast<size_t>(program.target.all_tiles()));
  for (size_t id = 0; id < program.variables.size(); ++id) {
    const Variable& v = program.variables[id];
    blocks_.emplace_back();
    for (int64_t k = 0; k < block_count(v.mapping); ++k) {
      const Box box = block_at(v.mapping, k);
      blocks_.back().push_back(make_piece(v.mapping.view, box, size_of(v.dtype)));
      host_bytes_ += static_cast<int64_t>(blocks_.back().back().bytes.size());
    }
    if (v.kind != VariableKind::Constant) continue;
    from_host(static_cast<VariableId>(id),
              parts.executable.constants[static_cast<size_t>(v.constant)].bytes);
  }
}

TilePiece* IsolatedEngine::block_on(VariableId id, int64_t tile) {
  std::vector<TilePiece>& blocks = blocks_[static_cast<size_t>(id)];
  const std::optional<int64_t> k = tessera::block_on(variable(id).mapping, tile);
  return k ? &blocks[static_cast<size_t>(*k)] : nullptr;
}

void IsolatedEngine::from_host(VariableId id, std::span<const std::byte> bytes) {
  const auto element_bytes = static_cast<size_t>(size_of(variable(id).dtype));
  for (TilePiece& block : blocks_[static_cast<size_t>(id)]) {
    for (const PieceRun& run : block.runs) {
      std::memcpy(block.bytes.data() + static_cast<size_t>(run.offset) * element_bytes,
                  bytes.data() + static_cast<size_t>(run.begin) * element_bytes,
                  static_cast<size_t>(run.end - run.begin) * element_bytes);
    }
  }
}

void IsolatedEngine::to_host(VariableId id, std::span<std::byte> bytes) const {
  const auto element_bytes = static_cast<size_t>(size_of(variable(id).dtype));
  for (const TilePiece& block : blocks_[static_cast<size_t>(id)]) {
    for (const PieceRun& run : block.runs) {
      std::memcpy(bytes.data() + static_cast<size_t>(run.begin) * element_bytes,
                  block.bytes.data() + static_cast<size_t>(run.offset) * element_bytes,
                  static_cast<size_t>(run.end - run.begin) * element_bytes);
    }
  }
}

// In what the step wrote.
void IsolatedEngine::fill_zeros(const Superstep& step) {
  if (!zeros_) return;
  for (const Operand& operand : step.compute.operands) {
    const VariableId id = operand.region.variable;
    if (!operand.writes) continue;
    for (const PartKind kind : kPartKinds) {
      const auto k = static_cast<size_t>(kind);
      if (zeros_->variables[static_cast<size_t>(id)][k])
        fill_zeros(id, zeros_->batch.behind(kind, counts_[k], elements(variable(id).shape)));
    }
  }
}

void IsolatedEngine::fill_zeros(VariableId id, const Range& part) {
  const int64_t element_bytes = size_of(variable(id).dtype);
  for (TilePiece& block : blocks_[static_cast<size_t>(id)]) {
    for (const PieceRun& run : block.runs) {
      const int64_t begin = std::max(run.begin, part.begin);
      const int64_t end = std::min(run.end, part.end);
      if (begin >= end) continue;
      std::fill_n(block.bytes.begin() + (run.offset + begin - run.begin) * element_bytes,
                  (end - begin) * element_bytes, std::byte{0});
    }
  }
}

// Delivers to every receiver, from the blocks alone. Returns the bytes that changed tiles: what
// lies on the receiver's tile already is copied there for free, and what an earlier turn received
// has stayed (cost/kept.h).
Expected<int64_t> IsolatedEngine::exchange(const Superstep& step, const Deadline& deadline) {
  int64_t moved = 0;
  const Superstep* before = turn_before(parts_.executable.program, step);
  for (std::vector<Delivery>& tile : deliveries_) tile.clear();
  for (const Transfer& transfer : step.exchange) {
    const Region& region = transfer.region;
    const Mapping& mapping = variable(region.variable).mapping;
    const std::vector<TilePiece>& blocks = blocks_[static_cast<size_t>(region.variable)];
    const int64_t element_bytes = size_of(variable(region.variable).dtype);
    const bool stayed = is_kept(before, transfer);
    for (int64_t k = 0; k < vertex_count(transfer.grid); ++k) {
      TRY(deadline.check("run"));
      const int64_t tile = tile_of(transfer.grid, k);
      const Box box = box_at(region, grid_position(transfer.grid, k));
      TilePiece piece = make_piece(region.view, box, element_bytes);
      for (const Source& source : sources_of(mapping, region.view, box)) {
        const TilePiece& from = blocks[static_cast<size_t>(source.block)];
        const int64_t copied = copy_common(from, piece, element_bytes);
        const bool is_here = tile_of(mapping, source.block) == tile;
        if (!is_here && !stayed) moved += copied * element_bytes;
      }
      deliveries_[static_cast<size_t>(tile)].push_back({region.variable, std::move(piece)});
    }
  }
  return moved;
}

// Fills `piece` with what lies on the tile; every element of it must.
Status IsolatedEngine::collect(const Superstep& step, size_t operand, int64_t tile,
                               TilePiece& piece) {
  const VariableId id = step.compute.operands[operand].region.variable;
  const int64_t element_bytes = size_of(variable(id).dtype);
  const int64_t wanted = static_cast<int64_t>(piece.bytes.size()) / element_bytes;
  std::vector<bool> here(static_cast<size_t>(wanted));
  const auto take = [&](const TilePiece& from) {
    copy_common(from, piece, element_bytes);
    for_each_common(from, piece, [&](int64_t, int64_t target, int64_t count) {
      std::fill_n(here.begin() + target, count, true);
    });
  };
  if (const TilePiece* block = block_on(id, tile)) take(*block);
  for (const Delivery& delivery : deliveries_[static_cast<size_t>(tile)]) {
    if (delivery.variable == id) take(delivery.piece);
  }
  const int64_t missing = std::count(here.begin(), here.end(), false);
  if (missing == 0) return {};
  return not_on_tile(step, operand, missing, tile);
}

// Into the tile's own block, which must hold every element of the piece.
Status IsolatedEngine::store(const Superstep& step, size_t operand, int64_t tile,
                             const TilePiece& piece) {
  const VariableId id = step.compute.operands[operand].region.variable;
  const int64_t element_bytes = size_of(variable(id).dtype);
  TilePiece* block = block_on(id, tile);
  const int64_t stored = block == nullptr ? 0 : copy_common(piece, *block, element_bytes);
  const int64_t missing = static_cast<int64_t>(piece.bytes.size()) / element_bytes - stored;
  if (missing == 0) return {};
  return not_on_tile(step, operand, missing, tile);
}

Error IsolatedEngine::not_on_tile(const Superstep& step, size_t operand, int64_t count,
                                  int64_t tile) const {
  const Operand& o = step.compute.operands[operand];
  const char* does = o.writes ? " writes " : " reads ";
  const char* must = o.writes ? ", must be mapped there" : ", must be mapped there or delivered";
  return Error{"superstep '" + step.name + "': operand " + std::to_string(operand) + does +
               std::to_string(count) + " elements of " + variable(o.region.variable).name +
               " that are not on tile " + std::to_string(tile) + must};
}

// The kernel over memory that holds the pieces and nothing else.
Status IsolatedEngine::call(const LoadedStep& loaded, const VertexClass& vertex,
                            std::vector<VertexOperand>& operands, std::vector<TilePiece>& pieces) {
  if (handed_.size() < operands.size()) handed_.resize(operands.size());
  for (size_t i = 0; i < operands.size(); ++i) {
    const std::vector<std::byte>& bytes = pieces[i].bytes;
    std::byte* const data = TRY(handed_[i].take(static_cast<int64_t>(bytes.size())));
    std::ranges::copy(bytes, data);
    operands[i].data = data;
  }
  const int64_t scratch_bytes = aligned_size(vertex.scratch_bytes);
  std::byte* const scratch = TRY(scratch_.take(scratch_bytes));
  std::fill_n(scratch, scratch_bytes, poison());
  const int signal = catch_fault([&] { vertex.kernel.run(operands.data(), scratch); });
  if (signal != 0) return fault_in(*loaded.step, signal);
  for (size_t i = 0; i < operands.size(); ++i) {
    std::copy_n(static_cast<const std::byte*>(operands[i].data), pieces[i].bytes.size(),
                pieces[i].bytes.begin());
  }
  return {};
}

Status IsolatedEngine::run_vertex(const LoadedStep& loaded, int64_t k) {
  const Superstep& step = *loaded.step;
  const int64_t tile = tile_of(step.compute.grid, k);
  const Position position = grid_position(loaded.grid, k);
  const VertexClass& vertex = loaded.vertex_class(k);
  std::vector<VertexOperand> operands(loaded.operands.size(), blank_operand());
  std::vector<TilePiece> pieces;
  for (size_t i = 0; i < loaded.operands.size(); ++i) {
    const LoadedOperand& operand = loaded.operands[i];
    const Region& region = step.compute.operands[i].region;
    pieces.push_back(make_piece(region.view, box_at(region, position), operand.element_bytes));
    pieces.back().fill(poison());
    if (!operand.writes) TRY(collect(step, i, tile, pieces.back()));
    set_region(operand, position, operands[i]);
    int64_t stride = 1;
    for (size_t d = operand.dims.size(); d-- > 0;) {
      operands[i].stride[d] = operands[i].size[d] == 1 ? 0 : stride;
      stride *= operands[i].size[d];
    }
  }
  if (index_rule_) look_at_indices(operands[kGatherIndices], pieces[kGatherIndices]);
  if (hidden_rule_) TRY(look_at_hidden_keys(step, operands, pieces));
  TRY(call(loaded, vertex, operands, pieces));
  if (const std::optional<int64_t> most = cast_rule(step.compute)) {
    VertexOperand made = operands.back();
    made.data = pieces.back().bytes.data();
    if (const auto wrong = find_wrong_cast(*most, made)) return wrong_cast(step, *most, *wrong);
  }
  for (size_t i = 0; i < loaded.operands.size(); ++i) {
    if (loaded.operands[i].writes) TRY(store(step, i, tile, pieces[i]));
  }
  return {};
}

// As they lie on the tile.
void IsolatedEngine::look_at_indices(const VertexOperand& operand, TilePiece& piece) {
  VertexOperand indices = operand;
  indices.data = piece.bytes.data();
  wrong_index_ = find_wrong_index(*index_rule_, indices, used_, wrong_index_);
}

Status IsolatedEngine::look_at_hidden_keys(const Superstep& step,
                                           std::vector<VertexOperand> operands,
                                           std::vector<TilePiece>& pieces) {
  for (size_t i = 0; i < operands.size(); ++i) operands[i].data = pieces[i].bytes.data();
  return check_hidden_keys(step, *hidden_rule_, operands, std::ssize(operands), used_);
}

Status IsolatedEngine::run_step(const LoadedStep& loaded, const Deadline& deadline) {
  exchanged_.push_back(TRY(exchange(*loaded.step, deadline)));
  index_rule_ = index_rule(loaded.step->compute);
  hidden_rule_ = hidden_rule(parts_.executable.program, loaded.step->compute);
  for (int64_t j = 0; j < loaded.vertices; ++j) {
    TRY(deadline.check("run"));
    TRY(run_vertex(loaded, parts_.reverse_tiles ? loaded.vertices - 1 - j : j));
  }
  if (wrong_index_) return wrong_index(*loaded.step, *index_rule_, *wrong_index_);
  fill_zeros(*loaded.step);
  return {};
}

Status IsolatedEngine::run(HostInputs inputs, HostOutputs outputs, const UsedCells& used,
                           std::span<double> seconds) {
  const Program& program = parts_.executable.program;
  const Deadline deadline(parts_.limits);
  exchanged_.clear();
  wrong_index_.reset();
  used_ = used;
  if (zeros_) counts_ = parts_to_compute(zeros_->batch, used, inputs);
  for (size_t id = 0; id < blocks_.size(); ++id) {
    if (program.variables[id].kind == VariableKind::Constant) continue;
    for (TilePiece& block : blocks_[id]) block.fill(poison());
  }
  for (size_t i = 0; i < inputs.size(); ++i) from_host(program.inputs[i], inputs[i]);
  for (size_t s = 0; s < steps_.size(); ++s) {
    const auto begin = std::chrono::steady_clock::now();
    TRY(run_step(steps_[s], deadline));
    if (seconds.empty()) continue;
    seconds[s] += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  for (size_t i = 0; i < outputs.size(); ++i) to_host(program.outputs[i], outputs[i]);
  return {};
}

}  // namespace

Expected<std::unique_ptr<Engine>> make_isolated_engine(const EngineParts& parts) {
  const Program& program = parts.executable.program;
  TRY(check_piece_memory(program, parts.limits, parts.load));
  RunWork work;
  for (const Superstep& step : program.supersteps) work = work_of(program, step.compute, work);
  TRY(work.check(1, parts.limits));
  std::vector<LoadedStep> steps =
      TRY(load_steps(program, parts.jit, parts.pool.size(), parts.limits, parts.load));
  return std::unique_ptr<Engine>(
      std::make_unique<IsolatedEngine>(parts, std::move(steps), TRY(zero_parts_of(parts))));
}

}  // namespace tessera
