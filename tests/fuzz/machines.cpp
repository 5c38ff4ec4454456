// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/machines.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "executor/jit.h"
#include "executor/machine.h"
#include "executor/used_parts.h"
#include "program/boxes.h"
#include "support/half.h"
#include "tests/fuzz/guarded.h"
#include "tests/fuzz/target.h"

namespace tessera::fuzz {
namespace {

constexpr int64_t kMostBytes = int64_t{4} << 20;
constexpr int64_t kMostVertices = 2048;
constexpr size_t kMostSteps = 64;
constexpr int64_t kMostKernels = 400;  // in one JIT, whose code is never freed

template <class T>
void put(std::span<std::byte> bytes, int64_t i, T value) {
  std::memcpy(bytes.data() + i * static_cast<int64_t>(sizeof value), &value, sizeof value);
}

// Small numbers for the most part, so that sums stay finite; now and then the ends of the range.
void fill(std::span<std::byte> bytes, DType dtype, Random& random) {
  constexpr float kOdd[] = {0.0f, -0.0f, 1e30f, -1e30f, 65504.0f, 1e-40f, INFINITY, NAN};
  constexpr int32_t kOddIntegers[] = {-1, INT32_MAX, INT32_MIN, 1000, 65536};
  const bool tame = random.below(4) != 0;
  const auto count = static_cast<int64_t>(bytes.size()) / size_of(dtype);
  for (int64_t i = 0; i < count; ++i) {
    const bool odd = !tame && random.one_in(16);
    const float unit = static_cast<float>(random.below(20001)) / 10000.0f - 1.0f;
    const float real = odd ? kOdd[random.below(std::size(kOdd))] : unit;
    switch (dtype) {
      case DType::F32: put(bytes, i, real); break;
      case DType::F16: put(bytes, i, to_half(real)); break;
      case DType::I32:
        put(bytes, i,
            odd ? kOddIntegers[random.below(std::size(kOddIntegers))]
                : static_cast<int32_t>(random.below(6)));
        break;
      case DType::Bool: put(bytes, i, static_cast<uint8_t>(random.below(2))); break;
      case DType::I8:
      case DType::U8:
      case DType::F143:
      case DType::F152: put(bytes, i, static_cast<uint8_t>(random.below(256))); break;
    }
  }
}

bool is_nan(std::span<const std::byte> bytes, DType dtype, int64_t i) {
  if (dtype == DType::F32) {
    float value;
    std::memcpy(&value, bytes.data() + i * 4, 4);
    return std::isnan(value);
  }
  uint16_t half;
  std::memcpy(&half, bytes.data() + i * 2, 2);
  return (half & 0x7fff) > 0x7c00;
}

// The same bits; any NaN equals any other, whose sign and payload IEEE 754 leaves open.
bool same(std::span<const std::byte> a, std::span<const std::byte> b, DType dtype) {
  if (std::memcmp(a.data(), b.data(), a.size()) == 0) return true;
  if (!is_float(dtype)) return false;
  const int64_t size = size_of(dtype);
  for (int64_t i = 0; i < static_cast<int64_t>(a.size()) / size; ++i) {
    if (std::memcmp(a.data() + i * size, b.data() + i * size, static_cast<size_t>(size)) == 0)
      continue;
    if (!is_nan(a, dtype, i) || !is_nan(b, dtype, i)) return false;
  }
  return true;
}

using Buffers = std::vector<GuardedBuffer>;

Buffers buffers_of(const Program& program, const std::vector<VariableId>& ids) {
  Buffers buffers;
  for (const VariableId id : ids)
    buffers.emplace_back(static_cast<size_t>(program.variables[static_cast<size_t>(id)].bytes()));
  return buffers;
}

Buffers random_inputs(const Program& program, uint64_t seed) {
  Buffers buffers = buffers_of(program, program.inputs);
  Random random(seed);
  for (size_t i = 0; i < buffers.size(); ++i)
    fill(buffers[i].bytes(), program.variables[static_cast<size_t>(program.inputs[i])].dtype,
         random);
  return buffers;
}

struct Way {
  const char* name;
  MachineKind kind;
  int threads;
  bool reverse;
};
constexpr Way kWays[] = {
    {"direct, 1 thread",   MachineKind::Direct,   1, false},
    {"direct, 3 threads",  MachineKind::Direct,   3, false},
    {"isolated",           MachineKind::Isolated, 1, false},
    {"isolated, reversed", MachineKind::Isolated, 1, true },
};

struct Answers {
  Status loaded;
  std::vector<Status> ran;       // by batch
  std::vector<Buffers> outputs;  // by batch
};

// Those of the first rows, where the executable has rows.
UsedCells used_cells(const Executable& executable, uint64_t seed) {
  const auto batch = batch_parts_of(executable);
  if (!batch) return {};
  UsedCells used(static_cast<size_t>(batch->rows * batch->length));
  std::fill_n(used.begin(), Random(seed).below(used.size() + 1), true);
  return used;
}

// Takes requests from the last places, where the executable has places.
void drop_requests(const Executable& executable, Buffers& inputs, uint64_t seed) {
  const auto batch = batch_parts_of(executable);
  if (!batch || batch->requests == 0) return;
  const std::span<std::byte> places = inputs[batch->places].bytes();
  const size_t each = places.size() / static_cast<size_t>(batch->requests);
  const size_t left = Random(seed).below(static_cast<size_t>(batch->requests) + 1);
  std::ranges::fill(places.subspan(left * each), std::byte{0});
}

struct Batch {
  const Buffers* inputs = nullptr;
  UsedCells used;
};

Answers carry_out(const Way& way, const std::shared_ptr<const Executable>& executable,
                  const std::vector<Batch>& batches) {
  const Program& program = executable->program;
  MachineOptions options;
  options.kind = way.kind;
  options.threads = way.threads;
  options.reverse_tiles = way.reverse;
  options.jit = shared_jit();
  options.limits = small_limits();
  Answers answers;
  auto machine = Machine::load(executable, options);
  if (!machine) answers.loaded = machine.error();
  if (!machine) return answers;
  for (const auto& [inputs, used] : batches) {
    Buffers outputs = buffers_of(program, program.outputs);
    std::vector<std::span<const std::byte>> in;
    std::vector<std::span<std::byte>> out;
    for (const GuardedBuffer& buffer : *inputs) in.push_back(buffer.bytes());
    for (const GuardedBuffer& buffer : outputs) out.push_back(buffer.bytes());
    answers.ran.push_back((*machine)->run(in, out, used));
    answers.outputs.push_back(std::move(outputs));
  }
  return answers;
}

std::string word_of(const Status& status) {
  return status.ok() ? "is well" : "says " + status.error().message;
}

void demand_same(const Program& program, const Buffers& a, const Buffers& b,
                 const std::string& what) {
  for (size_t i = 0; i < a.size(); ++i) {
    const Variable& variable = program.variables[static_cast<size_t>(program.outputs[i])];
    demand(same(a[i].bytes(), b[i].bytes(), variable.dtype),
           "output " + variable.name + " differs: " + what);
  }
}

// A busy host is not a disagreement.
bool ran_out_of_time(const Status& status) {
  return !status.ok() && status.error().type == "limit" &&
         status.error().message.find("took longer than") != std::string::npos;
}

void demand_agreement(const Program& program, const Answers& first, const Answers& other,
                      const Way& way) {
  const std::string between = std::string(kWays[0].name) + " against " + way.name;
  if (ran_out_of_time(first.loaded) || ran_out_of_time(other.loaded)) return;
  demand(first.loaded.ok() == other.loaded.ok(),
         "load: " + between + ": " + word_of(first.loaded) + ", " + word_of(other.loaded));
  for (size_t b = 0; b < first.ran.size(); ++b) {
    if (ran_out_of_time(first.ran[b]) || ran_out_of_time(other.ran[b])) return;
    demand(first.ran[b].ok() == other.ran[b].ok(),
           "run: " + between + ": " + word_of(first.ran[b]) + ", " + word_of(other.ran[b]));
    if (first.ran[b].ok()) demand_same(program, first.outputs[b], other.outputs[b], between);
  }
}

}  // namespace

std::shared_ptr<Jit> shared_jit() {
  static std::shared_ptr<Jit> jit;
  if (jit != nullptr && jit->counts().compiled + jit->counts().loaded > kMostKernels) jit.reset();
  if (jit == nullptr) {
    auto created = Jit::create({.cpu = {}, .cache_folder = default_object_cache()});
    demand(created.ok(), "the JIT cannot be made");
    jit = created.take();
  }
  return jit;
}

bool is_small(const Program& program) {
  int64_t bytes = 0, vertices = 0;
  for (const Variable& variable : program.variables) bytes += variable.bytes();
  for (const Superstep& step : program.supersteps) vertices += vertex_count(step.compute.grid);
  return bytes <= kMostBytes && vertices <= kMostVertices &&
         program.supersteps.size() <= kMostSteps;
}

std::vector<Blob> random_constants(const Program& program, uint64_t seed) {
  std::vector<Blob> constants;
  for (const Variable& variable : program.variables) {
    if (variable.kind != VariableKind::Constant || variable.constant < 0) continue;
    const auto index = static_cast<size_t>(variable.constant);
    if (index > program.variables.size()) continue;
    if (constants.size() <= index) constants.resize(index + 1);
    const auto bytes = std::make_shared<GuardedBuffer>(static_cast<size_t>(variable.bytes()));
    Random random(seed + index);
    fill(bytes->bytes(), variable.dtype, random);
    constants[index] = {bytes, bytes->bytes()};
  }
  return constants;
}

void compare_machines(const std::shared_ptr<const Executable>& executable, uint64_t seed) {
  const Program& program = executable->program;
  Buffers one = random_inputs(program, seed);
  const Buffers two = random_inputs(program, seed + 1);
  drop_requests(*executable, one, seed + 2);
  const UsedCells used = used_cells(*executable, seed);
  const std::vector<Batch> batches = {
      {&one, used},
      {&two, {}  },
      {&one, used}
  };
  const Answers first = carry_out(kWays[0], executable, batches);
  if (first.loaded.ok() && first.ran[0].ok()) note("compared");
  if (first.loaded.ok() && first.ran[0].ok() && first.ran[2].ok())
    demand_same(program, first.outputs[0], first.outputs[2], "a batch, and the same after another");
  for (const Way& way : std::span(kWays).subspan(1))
    demand_agreement(program, first, carry_out(way, executable, batches), way);
}

}  // namespace tessera::fuzz
