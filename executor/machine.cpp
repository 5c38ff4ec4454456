// SPDX-License-Identifier: Apache-2.0
#include "executor/machine.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <thread>

#include "executor/engine.h"
#include "executor/host_tuning.h"
#include "executor/jit.h"
#include "executor/thread_pool.h"
#include "support/fault.h"
#include "support/float_mode.h"
#include "support/guard.h"

namespace tessera {
namespace {

constexpr int kMostThreads = 4096;  // more than any host has cores

Expected<int> thread_count(int asked) {
  if (asked < 0 || asked > kMostThreads)
    return Error{"threads: " + std::to_string(asked) + ", must be 0 (one per core) to " +
                     std::to_string(kMostThreads),
                 ErrorKind::Usage};
  if (asked > 0) return asked;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// A caller that asked for a number gets it or an error; the host's own may be fewer.
Status check_threads(const ThreadPool& pool, int asked) {
  if (asked <= 0 || pool.size() == asked) return {};
  return Error{"threads: " + std::to_string(asked) + ", must be at most the " +
               std::to_string(pool.size()) + " that this system lets the process have now"};
}

// The bytes of every constant are there: the machine reads them where they are.
Status check_constants(const Executable& executable) {
  for (const Variable& v : executable.program.variables) {
    if (v.kind != VariableKind::Constant) continue;
    const auto count = static_cast<int64_t>(executable.constants.size());
    const bool known = v.constant >= 0 && v.constant < count;
    const size_t bytes =
        known ? executable.constants[static_cast<size_t>(v.constant)].bytes.size() : 0;
    if (known && bytes == static_cast<size_t>(v.bytes())) continue;
    return Error{"constant " + v.name + ": its data is " + std::to_string(bytes) +
                     " bytes, must be " + std::to_string(v.bytes()),
                 ErrorKind::BadFile};
  }
  return {};
}

// Their file was not cut off, as far as anybody has read.
Status check_whole(const Executable& executable) {
  const auto is_cut = [](const Blob& constant) { return !is_whole(constant.bytes); };
  if (std::ranges::none_of(executable.constants, is_cut)) return {};
  return Error{
      "constants: the file that holds them was cut off, must stay as it is while it is used",
      ErrorKind::BadFile};
}

template <class Buffer>
Status check_buffers(const Program& program, const std::vector<VariableId>& variables,
                     std::span<const Buffer> buffers, int64_t replicas, const char* what) {
  if (buffers.size() != variables.size()) {
    return Error{"machine: " + std::to_string(buffers.size()) + " " + what + " buffers, must be " +
                 std::to_string(variables.size())};
  }
  for (size_t i = 0; i < buffers.size(); ++i) {
    const Variable& v = program.variables[static_cast<size_t>(variables[i])];
    const int64_t bytes = v.bytes() * replicas;
    if (buffers[i].size() == static_cast<size_t>(bytes)) continue;
    return Error{v.name + ": the buffer is " + std::to_string(buffers[i].size()) +
                 " bytes, must be " + std::to_string(bytes)};
  }
  return {};
}

bool any_has_subnormals(const Program& program, HostInputs inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Variable& v = program.variables[static_cast<size_t>(program.inputs[i])];
    if (v.dtype == DType::F32 && has_subnormals(inputs[i])) return true;
  }
  return false;
}

// Inputs without subnormals of f32, which are zero also where a value is only moved.
class NormalInputs {
 public:
  NormalInputs(const Program& program, HostInputs inputs) : inputs_(inputs.begin(), inputs.end()) {
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (program.variables[static_cast<size_t>(program.inputs[i])].dtype != DType::F32) continue;
      copies_.push_back(without_subnormals(inputs_[i]));
      inputs_[i] = {copies_.back().get(), inputs_[i].size()};
    }
  }
  HostInputs get() const { return inputs_; }

 private:
  std::vector<std::span<const std::byte>> inputs_;
  std::vector<std::shared_ptr<std::byte[]>> copies_;
};

// Each buffer's rows for replica `i`.
template <class Buffer>
std::vector<Buffer> shares_of(std::span<const Buffer> buffers, int64_t i, int64_t replicas) {
  std::vector<Buffer> shares;
  for (const Buffer& buffer : buffers) {
    const size_t bytes = buffer.size() / static_cast<size_t>(replicas);
    shares.push_back(buffer.subspan(static_cast<size_t>(i) * bytes, bytes));
  }
  return shares;
}

UsedCells share_of(const UsedCells& used, int64_t i, int64_t replicas) {
  const int64_t cells = std::ssize(used) / replicas;
  return {used.begin() + i * cells, used.begin() + (i + 1) * cells};
}

}  // namespace

std::string default_object_cache() {
  const auto variable = [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  if (const auto folder = variable("TESSERA_OBJECT_CACHE")) return *folder;
  // XDG: a relative path is to be ignored.
  if (const auto cache = variable("XDG_CACHE_HOME"); cache && cache->starts_with('/'))
    return *cache + "/tessera/objects";
  if (const auto home = variable("HOME"); home && home->starts_with('/'))
    return *home + "/.cache/tessera/objects";
  return "";
}

struct Machine::Impl {
  Impl(std::shared_ptr<const Executable> e, int threads)
      : executable(std::move(e)), pool(threads), cost(program_cost(executable->program)) {}

  std::shared_ptr<const Executable> executable;
  ThreadPool pool;
  std::shared_ptr<Jit> jit;
  MatMulBlocks blocks;
  std::unique_ptr<Engine> engine;  // refers to all of the above
  ProgramCost cost;
  double load_seconds = 0;
  std::vector<double> seconds;  // by superstep, once profiled
};

Machine::Machine() = default;
Machine::~Machine() = default;

Expected<std::unique_ptr<Machine>> Machine::load(std::shared_ptr<const Executable> executable,
                                                 const MachineOptions& options) {
  return guarded("load", [&] { return load_unguarded(std::move(executable), options); });
}

Expected<std::unique_ptr<Machine>> Machine::load_unguarded(
    std::shared_ptr<const Executable> executable, const MachineOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  const Program& program = executable->program;
  TRY(check_constants(*executable));
  const MemoryReport memory = program_memory(program);
  if (!memory.fits) return out_of_memory_error(program, memory);

  std::unique_ptr<Machine> machine(new Machine);
  machine->impl_ = std::make_unique<Impl>(executable, TRY(thread_count(options.threads)));
  Impl& impl = *machine->impl_;
  TRY(check_threads(impl.pool, options.threads));
  impl.jit = options.jit;
  if (!impl.jit) impl.jit = TRY(Jit::create({options.cpu, options.cache_folder}));
  impl.blocks = options.blocks
                    ? *options.blocks
                    : read_tuning(options.cache_folder, options.cpu).value_or(MatMulBlocks{});
  const EngineParts parts{.executable = *executable,
                          .jit = *impl.jit,
                          .pool = impl.pool,
                          .reverse_tiles = options.reverse_tiles,
                          .fill = options.fill,
                          .small_pieces = options.small_pieces,
                          .blocks = impl.blocks,
                          .limits = options.limits};
  switch (options.kind) {
    case MachineKind::Direct: impl.engine = TRY(make_direct_engine(parts)); break;
    case MachineKind::Isolated: impl.engine = TRY(make_isolated_engine(parts)); break;
  }
  TRY(check_whole(*executable));
  impl.load_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return machine;
}

Status Machine::run(std::span<const std::span<const std::byte>> inputs,
                    std::span<const std::span<std::byte>> outputs, const UsedCells& used) {
  const Program& program = impl_->executable->program;
  const int64_t replicas = impl_->executable->metadata.replication_factor;
  TRY(check_buffers(program, program.inputs, inputs, replicas, "input"));
  TRY(check_buffers(program, program.outputs, outputs, replicas, "output"));
  std::optional<NormalInputs> normal;  // mostly there is nothing to change or to allocate
  if (any_has_subnormals(program, inputs)) inputs = normal.emplace(program, inputs).get();
  const KernelFloatMode mode;
  if (replicas == 1) {  // as it is, so that nothing is allocated
    TRY(impl_->engine->run(inputs, outputs, used, impl_->seconds));
    return check_whole(*impl_->executable);
  }
  for (int64_t i = 0; i < replicas; ++i) {
    const auto in = shares_of(inputs, i, replicas);
    const auto out = shares_of(outputs, i, replicas);
    TRY(impl_->engine->run(in, out, share_of(used, i, replicas), impl_->seconds));
  }
  return check_whole(*impl_->executable);
}

const ProgramCost& Machine::cost() const { return impl_->cost; }
const Executable& Machine::executable() const { return *impl_->executable; }
int Machine::threads() const { return impl_->pool.size(); }
double Machine::load_seconds() const { return impl_->load_seconds; }
int64_t Machine::host_bytes() const { return impl_->engine->host_bytes(); }
HostWork Machine::host_work() const { return impl_->engine->host_work(); }
JitCounts Machine::jit_counts() const { return impl_->jit->counts(); }
const MatMulBlocks& Machine::blocks() const { return impl_->blocks; }
const std::string& Machine::cache_problem() const { return impl_->jit->cache_problem(); }
std::vector<int64_t> Machine::exchanged_bytes() const { return impl_->engine->exchanged_bytes(); }

std::vector<HostStep> Machine::host_profile() {
  std::vector<HostStep> profile;
  for (size_t s = 0; s < impl_->seconds.size(); ++s) {
    const Superstep& step = impl_->executable->program.supersteps[s];
    profile.push_back({step.name, step.compute.codelet, impl_->seconds[s]});
  }
  impl_->seconds.assign(impl_->executable->program.supersteps.size(), 0.0);
  return profile;
}

}  // namespace tessera
