// SPDX-License-Identifier: Apache-2.0
// Random odd Programs, and the same with numbers changed: what the verifier accepts has one answer,
// to the bit, with one thread and with three, in pieces as small as can be, last to first,
// isolated, and whatever memory held before. TESSERA_ODD_PROGRAMS says how many; the seed is fixed.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "codelets/codelet.h"
#include "executor/jit.h"
#include "executor/machine.h"
#include "program/text.h"
#include "program/verify.h"
#include "support/half.h"
#include "tests/executor/random_program.h"
#include "tests/helpers/tiny_executable.h"

namespace tessera {
namespace {

const std::vector<MachineOptions>& ways() {
  static const std::vector<MachineOptions> ways = {
      {.threads = 1, .fill = std::byte{0x00}},
      {.threads = 3, .fill = std::byte{0xff}, .small_pieces = true},
      {.threads = 3, .reverse_tiles = true, .fill = std::byte{0x3c}, .small_pieces = true},
      {.kind = MachineKind::Isolated, .threads = 1},
      {.kind = MachineKind::Isolated, .threads = 1, .reverse_tiles = true, .fill = std::byte{0x4d}},
  };
  return ways;
}

// Any NaN is as good as another: which of two a sum keeps is not ours to say.
bool is_nan(const Bytes& bytes, size_t at, DType dtype) {
  if (dtype == DType::F32) {
    float value;
    std::memcpy(&value, &bytes[at], sizeof value);
    return std::isnan(value);
  }
  uint16_t half;
  std::memcpy(&half, &bytes[at], sizeof half);
  return dtype == DType::F16 && (half & 0x7fff) > 0x7c00;
}

bool same(const Bytes& a, const Bytes& b, DType dtype) {
  const auto size = static_cast<size_t>(size_of(dtype));
  for (size_t at = 0; at < a.size(); at += size) {
    if (std::memcmp(&a[at], &b[at], size) == 0) continue;
    if (!is_nan(a, at, dtype) || !is_nan(b, at, dtype)) return false;
  }
  return true;
}

std::vector<Bytes> tensors(const Program& program, const std::vector<VariableId>& ids,
                           uint32_t seed) {
  std::vector<Bytes> all;
  for (const VariableId id : ids) {
    const Variable& v = program.variables[static_cast<size_t>(id)];
    all.push_back(random_tensor(v.dtype, elements(v.shape), seed++));
  }
  return all;
}

std::vector<Bytes> outputs_of(Machine& machine, const std::vector<Bytes>& inputs) {
  const Program& program = machine.executable().program;
  std::vector<Bytes> outputs = tensors(program, program.outputs, 99);
  const std::vector<std::span<const std::byte>> in(inputs.begin(), inputs.end());
  const std::vector<std::span<std::byte>> out(outputs.begin(), outputs.end());
  const Status ran = machine.run(in, out);
  EXPECT_TRUE(ran.ok()) << ran.error().message;
  return outputs;
}

std::shared_ptr<const Executable> executable_of(const Program& program) {
  Executable executable;
  executable.program = program;
  for (const Variable& v : program.variables) {
    if (v.kind != VariableKind::Constant) continue;
    const auto bytes = std::make_shared<Bytes>(
        random_tensor(v.dtype, elements(v.shape), 7U + executable.constants.size()));
    executable.constants.push_back({bytes, *bytes});
  }
  return std::make_shared<const Executable>(std::move(executable));
}

// Kernels are kept, but not without end.
std::shared_ptr<Jit> some_jit() {
  static std::shared_ptr<Jit> jit;
  if (!jit || jit->counts().compiled + jit->counts().loaded > 2000)
    jit = Jit::create({.cpu = {}, .cache_folder = default_object_cache()}).take();
  return jit;
}

// The batch, and the same after another one.
void expect_one_answer(const Program& program) {
  const auto executable = executable_of(program);
  const std::vector<Bytes> batch = tensors(program, program.inputs, 1);
  const std::vector<Bytes> other = tensors(program, program.inputs, 1000);
  std::vector<Bytes> expected;
  int way = 0;
  for (MachineOptions options : ways()) {
    ++way;
    options.jit = some_jit();
    auto machine = Machine::load(executable, options);
    ASSERT_TRUE(machine.ok()) << machine.error().message;
    if (expected.empty()) expected = outputs_of(**machine, batch);
    outputs_of(**machine, other);
    const std::vector<Bytes> again = outputs_of(**machine, batch);
    for (size_t i = 0; i < again.size(); ++i) {
      const Variable& v = program.variables[static_cast<size_t>(program.outputs[i])];
      ASSERT_TRUE(same(again[i], expected[i], v.dtype))
          << v.name << " of way " << way << ", "
          << (options.kind == MachineKind::Direct ? "direct" : "isolated") << ", "
          << options.threads << " threads" << (options.reverse_tiles ? ", reversed" : "");
    }
  }
}

TEST(OddPrograms, have_one_answer_in_every_way) {
  const char* const asked = std::getenv("TESSERA_ODD_PROGRAMS");
  const int rounds = asked == nullptr ? 40 : std::atoi(asked);
  const char* const seed = std::getenv("TESSERA_ODD_SEED");
  std::mt19937 random(seed == nullptr ? 11 : static_cast<unsigned>(std::atoi(seed)));
  int verified = 0, odd = 0;
  for (int round = 0; round < rounds; ++round) {
    Program program = random_program(random);
    const bool changed = round % 2 == 1;
    const Program sound = program;
    for (int tries = 0; changed && tries < 40; ++tries) {
      program = sound;
      for (unsigned changes = 1 + random() % 2; changes > 0; --changes) make_odd(program, random);
      if (verify_program(program, check_compute_set).ok()) break;
    }
    const Status status = verify_program(program, check_compute_set);
    if (!status.ok()) continue;
    ++verified;
    odd += changed;
    SCOPED_TRACE(print(program));
    expect_one_answer(program);
    if (testing::Test::HasFatalFailure()) return;
  }
  EXPECT_GT(verified, rounds / 2);
  EXPECT_GT(odd, rounds / 20);
}

}  // namespace
}  // namespace tessera
