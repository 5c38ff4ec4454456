// SPDX-License-Identifier: Apache-2.0
// The direct machine: whole variables in host memory, and the work of a superstep over host
// threads.
//
// Supersteps follow one another with a barrier between. Inside one, pieces are independent, so any
// split over threads gives the same bytes. Everything that a run needs is proved to stay inside its
// variables and made once: for a whole batch at load, for fewer rows or requests by the first batch
// that has so few. Otherwise a run is a walk over calls, and allocates nothing.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <optional>
#include <string_view>

#include "executor/direct_checks.h"
#include "executor/direct_steps.h"
#include "executor/engine.h"
#include "executor/host_memory.h"
#include "executor/host_tuning.h"
#include "executor/inside.h"
#include "executor/joined.h"
#include "executor/pieces.h"
#include "executor/run_work.h"
#include "executor/slots.h"
#include "executor/used_parts.h"
#include "support/fault.h"

namespace tessera {
namespace {

constexpr std::string_view kRun = "run";

// The machine only reads it; the vertex ABI has one pointer for both.
std::byte* constant_bytes(const Executable& executable, const Variable& v) {
  return const_cast<std::byte*>(executable.constants[static_cast<size_t>(v.constant)].bytes.data());
}

class DirectEngine : public Engine {
 public:
  explicit DirectEngine(const EngineParts& parts)
      : parts_(parts), budget_(parts.limits, &Limits::memory) {}
  Status load();
  Status run(HostInputs inputs, HostOutputs outputs, const UsedCells& used,
             std::span<double> seconds) override;
  int64_t host_bytes() const override { return host_bytes_; }
  HostWork host_work() const override { return host_work_; }
  std::vector<int64_t> exchanged_bytes() const override { return {}; }

 private:
  void block_products();
  Status place_variables();
  Status compile();
  Status check_all_inside() const;
  Expected<int64_t> cut(DirectStep& step, RunWork& work);
  std::vector<JoinedVertex> pieces_of(const std::vector<JoinedVertex>& vertices) const;
  Expected<Calls> calls_of(const DirectStep& step, const std::vector<JoinedVertex>& pieces,
                           int64_t& scratch_bytes) const;
  Status reserve_scratch(int64_t bytes);
  void find_short_steps();
  Expected<size_t> which_calls(PartKind kind, int64_t count, const Deadline& deadline);
  Expected<std::optional<std::vector<Calls>>> short_calls(PartKind kind, int64_t count,
                                                          int64_t& scratch_bytes,
                                                          const Deadline& deadline);
  Status make_short_calls(PartKind kind, size_t which, const Deadline& deadline);
  Status check_piece(const DirectStep& step, const JoinedVertex& piece) const;
  void clear() const;
  Status run_step(const DirectStep& step, const Calls& calls, const Deadline& deadline);
  static const Calls& calls_for(const DirectStep& step, const ByPartKind<size_t>& which);
  void fill_zeros(const DirectStep& step, const ByPartKind<int64_t>& counts) const;
  std::vector<Fewer>& fewer(PartKind kind) { return fewer_[static_cast<size_t>(kind)]; }

  EngineParts parts_;
  Budget budget_;  // of memory
  SlotMemory memory_;
  std::vector<std::byte*> base_;  // by variable
  std::vector<DirectStep> steps_;
  std::vector<HostBuffer> scratch_;  // by thread
  int64_t scratch_bytes_ = 0;        // of each
  std::atomic<int64_t> next_{0};
  std::atomic<int> fault_{0};  // the signal that ended a piece of this step
  std::optional<BatchParts> batch_;
  ByPartKind<std::vector<Fewer>> fewer_;  // rising
  std::atomic<int64_t> host_bytes_{0};    // a run may raise it while another thread asks
  HostWork host_work_;
};

Status DirectEngine::load() {
  steps_ = TRY(join_steps(parts_.executable.program, parts_.load, budget_));
  block_products();
  TRY(check_all_inside());
  TRY(place_variables());
  TRY(compile());
  find_short_steps();
  int64_t scratch_bytes = 0;
  RunWork work;
  for (DirectStep& step : steps_) {
    TRY(parts_.load.check("loading its supersteps"));
    scratch_bytes = std::max(scratch_bytes, TRY(cut(step, work)));
    host_bytes_ += step.calls.bytes();
  }
  TRY(work.check(parts_.pool.size(), parts_.limits));
  host_bytes_ += memory_.size();
  return reserve_scratch(scratch_bytes);
}

void DirectEngine::block_products() {
  for (DirectStep& step : steps_)
    for (JoinedVertex& vertex : step.vertices)
      if (vertex.codelet->role == Role::Product) add_blocks(parts_.blocks, vertex.params);
}

// For every thread. Smaller buffers make room for it.
Status DirectEngine::reserve_scratch(int64_t bytes) {
  const int64_t more = parts_.pool.size() * (bytes - scratch_bytes_);
  if (more <= 0 && !scratch_.empty()) return {};
  TRY(budget_.spend(more, "loading its scratch memory"));
  std::vector<HostBuffer> scratch;
  for (int t = 0; t < parts_.pool.size(); ++t) scratch.push_back(TRY(HostBuffer::allocate(bytes)));
  scratch_ = std::move(scratch);
  scratch_bytes_ = bytes;
  host_bytes_ += more;
  return {};
}

Status DirectEngine::place_variables() {
  const Program& program = parts_.executable.program;
  const Slots slots = slots_by_liveness(lifetimes(program, steps_));
  for (const int64_t bytes : slots.bytes) TRY(budget_.spend(bytes, "loading its variables"));
  memory_ = TRY(SlotMemory::allocate(slots));
  for (size_t v = 0; v < program.variables.size(); ++v) {
    const Variable& variable = program.variables[v];
    if (variable.kind == VariableKind::Constant) {
      base_.push_back(constant_bytes(parts_.executable, variable));
    } else if (slots.slot[v] < 0) {
      base_.push_back(nullptr);
    } else {
      base_.push_back(memory_.place(slots.slot[v], variable.bytes()));
    }
  }
  return {};
}

Status DirectEngine::check_piece(const DirectStep& step, const JoinedVertex& piece) const {
  const Program& program = parts_.executable.program;
  const Status inside = check_inside(program, piece);
  if (inside.ok()) return {};
  return in_superstep(program.supersteps[step.superstep], inside.error().message);
}

Status DirectEngine::check_all_inside() const {
  for (const DirectStep& step : steps_) {
    for (const JoinedVertex& vertex : step.vertices) TRY(check_piece(step, vertex));
  }
  return {};
}

// A kernel depends on parameters and types alone, so one does for all vertices of a step.
Status DirectEngine::compile() {
  std::vector<Jit::Request> requests;
  for (const DirectStep& step : steps_) {
    const JoinedVertex& vertex = step.vertices[0];
    const VertexShape shape = vertex.shape();
    requests.push_back({vertex.codelet, vertex.codelet->constants(shape), kernel_steps(shape)});
  }
  const std::vector<Kernel> kernels =
      TRY(parts_.jit.compile(requests, parts_.pool.size(), parts_.limits, parts_.load));
  for (size_t s = 0; s < steps_.size(); ++s) steps_[s].kernel = kernels[s];
  return {};
}

std::vector<JoinedVertex> DirectEngine::pieces_of(const std::vector<JoinedVertex>& vertices) const {
  if (vertices.empty()) return {};
  return cut_into_pieces(vertices, parts_.pool.size(), parts_.small_pieces ? 1 : kLeastWork);
}

// Raises `scratch_bytes` to what these pieces need.
Expected<Calls> DirectEngine::calls_of(const DirectStep& step,
                                       const std::vector<JoinedVertex>& pieces,
                                       int64_t& scratch_bytes) const {
  Calls calls;
  for (const JoinedVertex& piece : pieces) {
    TRY(check_piece(step, piece));
    for (const JoinedOperand& operand : piece.operands)
      calls.operands.push_back(operand_over(operand, base_[static_cast<size_t>(operand.variable)]));
    scratch_bytes = std::max(scratch_bytes, piece.codelet->scratch_bytes(piece.shape()));
    ++calls.pieces;
  }
  return calls;
}

void DirectEngine::find_short_steps() {
  batch_ = batch_parts_of(parts_.executable);
  if (!batch_) return;
  std::vector<StepStops> found = short_steps_of(parts_.executable, steps_, *batch_);
  for (size_t s = 0; s < steps_.size(); ++s) steps_[s].stops = std::move(found[s]);
  for (const PartKind kind : kPartKinds) {
    const int64_t all = batch_->count(kind);
    for (const int64_t count : part_counts(all))
      if (count < all) fewer(kind).push_back({count});
  }
}

// By step, of those that can stop so. Nothing: the memory that the machine may take does not hold
// them, and the batch is computed whole.
Expected<std::optional<std::vector<Calls>>> DirectEngine::short_calls(PartKind kind, int64_t count,
                                                                      int64_t& scratch_bytes,
                                                                      const Deadline& deadline) {
  std::vector<Calls> made;
  for (const DirectStep& step : steps_) {
    made.emplace_back();
    if (!step.stops_by(kind)) continue;
    TRY(deadline.check(kRun));
    made.back() = TRY(calls_of(step, pieces_of(first_parts(step.vertices, step.stops, kind, count)),
                               scratch_bytes));
    if (!budget_.spend(made.back().bytes(), "loading its vertices").ok())
      return std::optional<std::vector<Calls>>();
  }
  return std::optional(std::move(made));
}

// Made whole or not at all: calls, and the scratch that they need, as their pieces are fewer than
// those of the whole batch and can be larger.
Status DirectEngine::make_short_calls(PartKind kind, size_t which, const Deadline& deadline) {
  Fewer& wanted = fewer(kind)[which];
  int64_t scratch_bytes = 0;
  auto made = TRY(short_calls(kind, wanted.count, scratch_bytes, deadline));
  if (!made || !reserve_scratch(scratch_bytes).ok()) {
    wanted.calls = Fewer::State::NoRoom;
    return {};
  }
  for (size_t s = 0; s < steps_.size(); ++s) {
    if (!steps_[s].stops_by(kind)) continue;
    std::vector<Calls>& by_count = steps_[s].short_calls[static_cast<size_t>(kind)];
    by_count.resize(fewer(kind).size());
    host_bytes_ += (*made)[s].bytes();
    by_count[which] = std::move((*made)[s]);
  }
  wanted.calls = Fewer::State::Made;
  return {};
}

// Returns the scratch that the step's pieces need.
Expected<int64_t> DirectEngine::cut(DirectStep& step, RunWork& work) {
  int64_t scratch_bytes = 0;
  const std::vector<JoinedVertex> pieces = pieces_of(step.vertices);
  step.calls = TRY(calls_of(step, pieces, scratch_bytes));
  for (const JoinedVertex& piece : pieces) {
    for (const JoinedOperand& operand : piece.operands)
      host_work_.operand_bytes += elements(operand.box) * size_of(operand.dtype);
    work.add(work_of(piece));
  }
  note_rules(parts_.executable.program, base_, step);
  ++host_work_.steps;
  host_work_.calls += step.calls.pieces;
  step.operands_each = static_cast<int64_t>(step.vertices[0].operands.size());
  if (!step.stops_early()) step.vertices = {};
  return scratch_bytes;
}

Status DirectEngine::run(HostInputs inputs, HostOutputs outputs, const UsedCells& used,
                         std::span<double> seconds) {
  const Program& program = parts_.executable.program;
  const Deadline deadline(parts_.limits);
  ByPartKind<int64_t> counts = {};
  ByPartKind<size_t> which = {};
  if (batch_) counts = parts_to_compute(*batch_, used, inputs);
  for (const PartKind kind : kPartKinds) {
    const auto i = static_cast<size_t>(kind);
    which[i] = TRY(which_calls(kind, counts[i], deadline));
  }
  if (parts_.fill) clear();
  for (size_t i = 0; i < inputs.size(); ++i) {
    std::memcpy(base_[static_cast<size_t>(program.inputs[i])], inputs[i].data(), inputs[i].size());
  }
  for (const DirectStep& step : steps_) {
    const auto begin = std::chrono::steady_clock::now();
    TRY(check_indices(program, step, used));
    const Calls& calls = calls_for(step, which);
    TRY(check_hidden(program, step, calls, used));
    TRY(run_step(step, calls, deadline));
    fill_zeros(step, counts);
    TRY(check_casts(program, step));
    if (seconds.empty()) continue;
    seconds[step.superstep] +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::byte* from = base_[static_cast<size_t>(program.outputs[i])];
    std::memcpy(outputs[i].data(), from, outputs[i].size());
  }
  return {};
}

void DirectEngine::clear() const {
  memory_.fill(*parts_.fill);
  for (const HostBuffer& scratch : scratch_) scratch.fill(*parts_.fill);
}

// The place of that count, whose calls are there now; past the end: the calls of the whole batch.
Expected<size_t> DirectEngine::which_calls(PartKind kind, int64_t count, const Deadline& deadline) {
  const std::vector<Fewer>& known = fewer(kind);
  const auto found = std::ranges::find(known, count, &Fewer::count);
  if (found == known.end()) return known.size();
  const auto which = static_cast<size_t>(found - known.begin());
  if (found->calls == Fewer::State::NotMade) TRY(make_short_calls(kind, which, deadline));
  return found->calls == Fewer::State::Made ? which : known.size();
}

// Those of the fewest parts: of cells before those of rows.
const Calls& DirectEngine::calls_for(const DirectStep& step, const ByPartKind<size_t>& which) {
  for (const PartKind kind : {PartKind::Cells, PartKind::Requests, PartKind::Rows}) {
    const auto k = static_cast<size_t>(kind);
    if (which[k] < step.short_calls[k].size()) return step.short_calls[k][which[k]];
  }
  return step.calls;
}

// Behind the parts that are computed.
void DirectEngine::fill_zeros(const DirectStep& step, const ByPartKind<int64_t>& counts) const {
  for (const PartKind kind : kPartKinds) {
    const auto k = static_cast<size_t>(kind);
    for (const VariableId id : step.stops[k].zeros) {
      const int64_t bytes = parts_.executable.program.variables[static_cast<size_t>(id)].bytes();
      const Range behind = batch_->behind(kind, counts[k], bytes);
      std::memset(base_[static_cast<size_t>(id)] + behind.begin, 0,
                  static_cast<size_t>(behind.size()));
    }
  }
}

// A step of one piece is not worth waking the other threads. After a fault, or when time is over,
// no further piece begins.
Status DirectEngine::run_step(const DirectStep& step, const Calls& calls,
                              const Deadline& deadline) {
  const auto work = [&](int thread) {
    std::byte* const scratch = scratch_[static_cast<size_t>(thread)].data();
    for (int64_t piece; (piece = next_.fetch_add(1, std::memory_order_relaxed)) < calls.pieces;) {
      const int64_t at = parts_.reverse_tiles ? calls.pieces - 1 - piece : piece;
      step.kernel.run(calls.operands.data() + at * step.operands_each, scratch);
      if (deadline.passed()) return;
    }
  };
  const auto work_or_fault = [&](int thread) {
    const int signal = catch_fault([&] { work(thread); });
    if (signal == 0) return;
    fault_.store(signal, std::memory_order_relaxed);
    next_.store(calls.pieces, std::memory_order_relaxed);
  };
  next_.store(0, std::memory_order_relaxed);
  fault_.store(0, std::memory_order_relaxed);
  if (calls.pieces <= 1) {
    work_or_fault(0);
  } else {
    parts_.pool.run(work_or_fault);
  }
  if (const int signal = fault_.load(std::memory_order_relaxed); signal != 0)
    return fault_in(parts_.executable.program.supersteps[step.superstep], signal);
  return deadline.check(kRun);
}

}  // namespace

Expected<std::unique_ptr<Engine>> make_direct_engine(const EngineParts& parts) {
  auto engine = std::make_unique<DirectEngine>(parts);
  TRY(engine->load());
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace tessera
