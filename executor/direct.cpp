// SPDX-License-Identifier: Apache-2.0
// The direct machine: whole variables in host memory, and the work of a superstep over host
// threads.
//
// Supersteps follow one another with a barrier between. Inside one, pieces are independent, so any
// split over threads gives the same bytes. Everything that a run needs is made at load: a run is a
// walk over calls, and allocates nothing.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <string_view>

#include "executor/engine.h"
#include "executor/host_memory.h"
#include "executor/joined.h"
#include "executor/pieces.h"
#include "executor/run_work.h"

namespace tessera {
namespace {

constexpr std::string_view kRun = "run";

// A superstep, or two that are carried out as one.
struct DirectStep {
  size_t superstep = 0;  // the first
  Kernel kernel;
  std::vector<JoinedVertex> vertices;   // gone once loaded
  std::vector<VertexOperand> operands;  // of every piece, one after the other
  int64_t operands_each = 0;
  int64_t pieces = 0;
};

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

// First and last step that touches each variable; host copies stand before and after all. A
// variable that none touches takes no room.
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

// The machine only reads it; the vertex ABI has one pointer for both.
std::byte* constant_bytes(const Executable& executable, const Variable& v) {
  return const_cast<std::byte*>(executable.constants[static_cast<size_t>(v.constant)].bytes.data());
}

class DirectEngine : public Engine {
 public:
  explicit DirectEngine(const EngineParts& parts)
      : parts_(parts), memory_(parts.limits, &Limits::memory) {}
  Status load();
  Status run(HostInputs inputs, HostOutputs outputs, std::span<double> seconds) override;
  int64_t host_bytes() const override { return host_bytes_; }
  HostWork host_work() const override { return host_work_; }
  std::vector<int64_t> exchanged_bytes() const override { return {}; }

 private:
  Status place_variables();
  Status compile();
  int64_t cut(DirectStep& step, RunWork& work);
  Status run_step(const DirectStep& step, const Deadline& deadline);
  void run_piece(const DirectStep& step, int64_t piece, std::byte* scratch) const;

  EngineParts parts_;
  Budget memory_;
  HostBuffer arena_;
  std::vector<std::byte*> base_;  // by variable
  std::vector<DirectStep> steps_;
  std::vector<HostBuffer> scratch_;  // by thread
  std::atomic<int64_t> next_{0};
  int64_t host_bytes_ = 0;
  HostWork host_work_;
};

Status DirectEngine::load() {
  steps_ = TRY(join_steps(parts_.executable.program, parts_.load, memory_));
  TRY(place_variables());
  TRY(compile());
  int64_t scratch_bytes = 0;
  RunWork work;
  for (DirectStep& step : steps_) {
    TRY(parts_.load.check("loading its supersteps"));
    scratch_bytes = std::max(scratch_bytes, cut(step, work));
    host_bytes_ += static_cast<int64_t>(step.operands.size() * sizeof(VertexOperand));
  }
  TRY(work.check(parts_.pool.size(), parts_.limits));
  TRY(memory_.spend(parts_.pool.size() * scratch_bytes, "loading its scratch memory"));
  for (int t = 0; t < parts_.pool.size(); ++t) {
    scratch_.push_back(TRY(HostBuffer::allocate(scratch_bytes)));
  }
  host_bytes_ += arena_.size() + parts_.pool.size() * scratch_bytes;
  return {};
}

Status DirectEngine::place_variables() {
  const Program& program = parts_.executable.program;
  const Places places = place_by_liveness(lifetimes(program, steps_));
  TRY(memory_.spend(places.bytes, "loading its variables"));
  arena_ = TRY(HostBuffer::allocate(places.bytes));
  for (size_t v = 0; v < program.variables.size(); ++v) {
    const Variable& variable = program.variables[v];
    base_.push_back(variable.kind == VariableKind::Constant
                        ? constant_bytes(parts_.executable, variable)
                        : arena_.data() + places.offset[v]);
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

// Returns the scratch that the step's pieces need.
int64_t DirectEngine::cut(DirectStep& step, RunWork& work) {
  int64_t scratch_bytes = 0;
  for (const JoinedVertex& piece : cut_into_pieces(step.vertices, parts_.pool.size())) {
    for (const JoinedOperand& operand : piece.operands) {
      step.operands.push_back(operand_over(operand, base_[static_cast<size_t>(operand.variable)]));
      host_work_.operand_bytes += elements(operand.box) * size_of(operand.dtype);
    }
    scratch_bytes = std::max(scratch_bytes, piece.codelet->scratch_bytes(piece.shape()));
    work.add(work_of(piece));
    ++step.pieces;
  }
  ++host_work_.steps;
  host_work_.calls += step.pieces;
  step.operands_each = static_cast<int64_t>(step.vertices[0].operands.size());
  step.vertices = {};
  return scratch_bytes;
}

Status DirectEngine::run(HostInputs inputs, HostOutputs outputs, std::span<double> seconds) {
  const Program& program = parts_.executable.program;
  const Deadline deadline(parts_.limits);
  for (size_t i = 0; i < inputs.size(); ++i) {
    std::memcpy(base_[static_cast<size_t>(program.inputs[i])], inputs[i].data(), inputs[i].size());
  }
  for (const DirectStep& step : steps_) {
    const auto begin = std::chrono::steady_clock::now();
    TRY(run_step(step, deadline));
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

// A step of one piece is not worth waking the other threads. Whoever sees that time is over takes
// no more pieces.
Status DirectEngine::run_step(const DirectStep& step, const Deadline& deadline) {
  if (step.pieces == 1) {
    run_piece(step, 0, scratch_[0].data());
    return deadline.check(kRun);
  }
  next_.store(0, std::memory_order_relaxed);
  parts_.pool.run([&](int thread) {
    std::byte* const scratch = scratch_[static_cast<size_t>(thread)].data();
    for (int64_t piece; (piece = next_.fetch_add(1, std::memory_order_relaxed)) < step.pieces;) {
      run_piece(step, parts_.reverse_tiles ? step.pieces - 1 - piece : piece, scratch);
      if (deadline.passed()) return;
    }
  });
  return deadline.check(kRun);
}

void DirectEngine::run_piece(const DirectStep& step, int64_t piece, std::byte* scratch) const {
  step.kernel.run(step.operands.data() + piece * step.operands_each, scratch);
}

}  // namespace

Expected<std::unique_ptr<Engine>> make_direct_engine(const EngineParts& parts) {
  auto engine = std::make_unique<DirectEngine>(parts);
  TRY(engine->load());
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace tessera
