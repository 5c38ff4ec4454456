// SPDX-License-Identifier: Apache-2.0
// The direct machine: whole variables in host memory, vertices over host threads.
//
// Supersteps follow one another with a barrier between; inside one, vertices are independent, so
// any split over threads gives the same bytes. The split is by runs of an order of our choice. A
// codelet may want an operand in another layout; of an activation, each thread keeps the region
// that it prepared last. The grid axes along which the large prepared regions move therefore vary
// slowest: a matmul does all column blocks of one row block in turn, attention all rows of one
// head.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <numeric>

#include "executor/engine.h"
#include "executor/host_memory.h"
#include "executor/prepared.h"
#include "executor/vertex.h"

namespace tessera {
namespace {

struct DirectOperand {
  std::byte* base = nullptr;  // of the whole variable
  RegionKey key;
  const PreparedRegions* prepared = nullptr;  // constants: made at load
  int64_t slot = -1;                          // activations: place in the thread's buffer
};

struct DirectStep {
  const StepPlan* plan = nullptr;
  std::vector<DirectOperand> operands;
  std::vector<size_t> axes;  // slowest first
  int64_t chunk = 1;         // vertices that a thread takes at a time
};

// What one host thread works with; sized once for the largest step.
struct ThreadState {
  HostBuffer scratch;
  HostBuffer prepared;
  std::vector<VertexOperand> operands;
  std::vector<int64_t> last_key;  // by operand: the region in its slot; -1: none of this step
};

// How much is prepared anew for each step along an axis, at most.
std::vector<int64_t> axis_weights(const StepPlan& plan,
                                  const std::vector<DirectOperand>& operands) {
  std::vector<int64_t> weights(plan.grid.extent.size());
  for (size_t i = 0; i < operands.size(); ++i) {
    if (operands[i].slot < 0) continue;
    for (size_t a = 0; a < weights.size(); ++a) {
      if (operands[i].key.stride[a] != 0) weights[a] += plan.max_prepared_bytes(i);
    }
  }
  return weights;
}

// Whole runs that share the heaviest prepared regions, where there are enough of them to keep all
// threads busy to the end; else any piece.
int64_t chunk_size(const StepPlan& plan, const std::vector<int64_t>& weights, int threads) {
  const int64_t heaviest = weights.empty() ? 0 : *std::max_element(weights.begin(), weights.end());
  int64_t run = 1;
  for (size_t a = 0; a < weights.size(); ++a) {
    if (weights[a] < heaviest) run *= plan.grid.extent[a];
  }
  const int64_t runs = plan.vertices / run;
  if (runs >= 4 * threads) return run * std::max<int64_t>(1, runs / (16 * threads));
  return std::max<int64_t>(1, plan.vertices / (8 * threads));
}

// First and last superstep that touches each variable; host copies stand before and after all.
std::vector<Lifetime> lifetimes(const Program& program) {
  const auto steps = static_cast<int64_t>(program.supersteps.size());
  std::vector<Lifetime> lives;
  for (const Variable& v : program.variables) {
    lives.push_back({steps, -1, v.kind == VariableKind::Constant ? 0 : v.bytes()});
  }
  const auto touch = [&](VariableId id, int64_t step) {
    Lifetime& life = lives[static_cast<size_t>(id)];
    life.first = std::min(life.first, step);
    life.last = std::max(life.last, step);
  };
  for (VariableId id : program.inputs) touch(id, -1);
  for (int64_t s = 0; s < steps; ++s) {
    for (const Operand& operand : program.supersteps[static_cast<size_t>(s)].compute.operands) {
      touch(operand.region.variable, s);
    }
  }
  for (VariableId id : program.outputs) touch(id, steps);
  return lives;
}

class DirectEngine : public Engine {
 public:
  explicit DirectEngine(const EngineParts& parts) : parts_(parts) {}
  Status load();
  Status run(HostInputs inputs, HostOutputs outputs, std::span<double> seconds) override;
  int64_t host_bytes() const override { return host_bytes_; }
  std::vector<int64_t> exchanged_bytes() const override { return {}; }

 private:
  DirectStep plan_direct(size_t step, int64_t& prepared_bytes) const;
  Status make_threads(int64_t prepared_bytes);
  void run_step(const DirectStep& step);
  void run_chunk(const DirectStep& step, int64_t begin, int64_t end, ThreadState& thread);
  void run_vertex(const DirectStep& step, const Position& position, ThreadState& thread);

  EngineParts parts_;
  HostBuffer arena_;
  std::vector<std::byte*> base_;  // by variable
  PreparedConstants constants_;
  std::vector<DirectStep> steps_;
  std::vector<ThreadState> threads_;
  std::atomic<int64_t> next_{0};
  int64_t host_bytes_ = 0;
};

Status DirectEngine::load() {
  const Program& program = parts_.executable.program;
  const Places places = place_by_liveness(lifetimes(program));
  arena_ = TRY(HostBuffer::allocate(places.bytes));
  for (size_t v = 0; v < program.variables.size(); ++v) {
    const bool constant = program.variables[v].kind == VariableKind::Constant;
    base_.push_back(constant ? constant_bytes(parts_.executable, static_cast<VariableId>(v))
                             : arena_.data() + places.offset[v]);
  }
  constants_ = TRY(PreparedConstants::prepare(parts_));
  int64_t prepared_bytes = 0;
  for (size_t s = 0; s < parts_.steps.size(); ++s) {
    steps_.push_back(plan_direct(s, prepared_bytes));
  }
  TRY(make_threads(prepared_bytes));
  host_bytes_ += arena_.size() + constants_.bytes();
  return {};
}

// Raises `prepared_bytes` to what a thread needs for this step.
DirectStep DirectEngine::plan_direct(size_t step, int64_t& prepared_bytes) const {
  DirectStep out;
  out.plan = &parts_.steps[step];
  int64_t slots = 0;
  for (size_t i = 0; i < out.plan->operands.size(); ++i) {
    const OperandPlan& operand = out.plan->operands[i];
    DirectOperand direct{base_[static_cast<size_t>(operand.variable)],
                         region_key(operand, out.plan->grid.extent), constants_.find(step, i)};
    const int64_t bytes = out.plan->max_prepared_bytes(i);
    if (bytes > 0 && direct.prepared == nullptr) {
      direct.slot = slots;
      slots += aligned_size(bytes);
    }
    out.operands.push_back(std::move(direct));
  }
  prepared_bytes = std::max(prepared_bytes, slots);
  const std::vector<int64_t> weights = axis_weights(*out.plan, out.operands);
  out.axes.resize(weights.size());
  std::iota(out.axes.begin(), out.axes.end(), size_t{0});
  std::stable_sort(out.axes.begin(), out.axes.end(),
                   [&](size_t a, size_t b) { return weights[a] > weights[b]; });
  out.chunk = chunk_size(*out.plan, weights, parts_.pool.size());
  return out;
}

Status DirectEngine::make_threads(int64_t prepared_bytes) {
  int64_t scratch_bytes = 0;
  size_t operands = 0;
  for (const StepPlan& step : parts_.steps) {
    scratch_bytes = std::max(scratch_bytes, step.max_scratch_bytes());
    operands = std::max(operands, step.operands.size());
  }
  for (int t = 0; t < parts_.pool.size(); ++t) {
    ThreadState state;
    state.scratch = TRY(HostBuffer::allocate(scratch_bytes));
    state.prepared = TRY(HostBuffer::allocate(prepared_bytes));
    state.operands.reserve(operands);
    state.last_key.reserve(operands);
    host_bytes_ += scratch_bytes + prepared_bytes;
    threads_.push_back(std::move(state));
  }
  return {};
}

Status DirectEngine::run(HostInputs inputs, HostOutputs outputs, std::span<double> seconds) {
  const Program& program = parts_.executable.program;
  for (size_t i = 0; i < inputs.size(); ++i) {
    std::memcpy(base_[static_cast<size_t>(program.inputs[i])], inputs[i].data(), inputs[i].size());
  }
  for (size_t s = 0; s < steps_.size(); ++s) {
    const auto begin = std::chrono::steady_clock::now();
    run_step(steps_[s]);
    if (seconds.empty()) continue;
    seconds[s] += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::byte* from = base_[static_cast<size_t>(program.outputs[i])];
    std::memcpy(outputs[i].data(), from, outputs[i].size());
  }
  return {};
}

void DirectEngine::run_step(const DirectStep& step) {
  next_.store(0, std::memory_order_relaxed);
  parts_.pool.run([&](int number) {
    ThreadState& thread = threads_[static_cast<size_t>(number)];
    thread.operands.assign(step.operands.size(), blank_operand());
    thread.last_key.assign(step.operands.size(), -1);
    for (;;) {
      const int64_t begin = next_.fetch_add(step.chunk, std::memory_order_relaxed);
      if (begin >= step.plan->vertices) break;
      run_chunk(step, begin, std::min(begin + step.chunk, step.plan->vertices), thread);
    }
  });
}

// Vertices begin..end of the step's order (the last ones first, if the machine is asked to).
void DirectEngine::run_chunk(const DirectStep& step, int64_t begin, int64_t end,
                             ThreadState& thread) {
  const std::vector<int64_t>& extent = step.plan->grid.extent;
  Position position(extent.size());
  for (int64_t j = begin; j < end; ++j) {
    int64_t rest = parts_.reverse_tiles ? step.plan->vertices - 1 - j : j;
    for (size_t i = step.axes.size(); i-- > 0;) {
      const size_t axis = step.axes[i];
      position[axis] = rest % extent[axis];
      rest /= extent[axis];
    }
    run_vertex(step, position, thread);
  }
}

void DirectEngine::run_vertex(const DirectStep& step, const Position& position,
                              ThreadState& thread) {
  int64_t number = 0;
  for (size_t a = 0; a < position.size(); ++a) {
    number = number * step.plan->grid.extent[a] + position[a];
  }
  const VertexClass& vertex = step.plan->vertex_class(number);
  for (size_t i = 0; i < step.operands.size(); ++i) {
    const DirectOperand& direct = step.operands[i];
    VertexOperand& operand = thread.operands[i];
    set_operand(step.plan->operands[i], direct.base, position, operand);
    if (direct.prepared != nullptr) {
      operand.data = direct.prepared->at(direct.key.of(position));
    } else if (direct.slot >= 0) {
      std::byte* prepared = thread.prepared.data() + direct.slot;
      const int64_t key = direct.key.of(position);
      if (key != thread.last_key[i]) vertex.kernel.prepare[i](&operand, prepared);
      thread.last_key[i] = key;
      operand.data = prepared;
    }
  }
  vertex.kernel.run(thread.operands.data(), thread.scratch.data());
}

}  // namespace

Expected<std::unique_ptr<Engine>> make_direct_engine(const EngineParts& parts) {
  auto engine = std::make_unique<DirectEngine>(parts);
  TRY(engine->load());
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace tessera
