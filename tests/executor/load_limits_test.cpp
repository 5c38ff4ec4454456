// SPDX-License-Identifier: Apache-2.0
// The cost of loading and running a verified executable is refused before it is paid, on both
// machines: each limit is tripped, and raised.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "executor/machine.h"
#include "executor/pieces.h"
#include "executor/run_work.h"
#include "tests/helpers/tiny_executable.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

constexpr const char* kLargeTiles =
    "target x tiles=4 bytes_per_tile=4000000000 clock_hz=1500000000 workers=6 "
    "macs_f16_partials_f16=64 macs_f16_partials_f32=32 macs_f32=16 exchange_bytes_per_cycle=4 "
    "tiles_per_exchange_bus=2 exchange_efficiency=0.97 memcpy_bytes_per_cycle=8 "
    "weight_load_bytes_per_cycle=8 partials_load_bytes_per_cycle=8 sync_cycles=130 "
    "setup_cycles=120 reserved_bytes=1 stack_bytes=1 host_bytes_per_second=32000000000 "
    "host_run_seconds=0.0002";

// That many kernels, each a tape of 24 operations with a constant of its own.
std::shared_ptr<const Executable> jit_bomb(int kernels) {
  std::string outputs, names, steps;
  for (int i = 0; i < kernels; ++i) {
    outputs += fmt::format("  output y{}: f32[16] = by [16] at 0\n", i);
    names += fmt::format(" y{}", i);
    steps += fmt::format("  step s{0} {{\n    elementwise on [1] at 0 domain=0 tape=[2,0,1,0", i);
    for (int op = 2; op < 25; ++op) steps += fmt::format(",{},{},1,0", op % 2 ? 0 : 2, op);
    steps += fmt::format("] constants=[{}]\n    read q [*]\n    write y{} [*]\n  }}\n", i + 1.5, i);
  }
  return std::make_shared<const Executable>(
      tiny_executable("program jitbomb {\n  target test\n  input q: f32[16] = by [16] at 0\n" +
                      outputs + "  inputs q\n  outputs" + names + "\n" + steps + "}\n"));
}

// A product of squares of `size` on one tile, `times` times one after the other.
std::shared_ptr<const Executable> products(int64_t size, int64_t times) {
  const std::string square = fmt::format("f32[1,{0},{0}] = by [1,{0},{0}] at 0", size);
  std::string text =
      fmt::format("program products {{\n  {}\n  input a0: {}\n", kLargeTiles, square);
  for (int64_t i = 1; i <= times; ++i)
    text += fmt::format("  {} a{}: {}\n", i == times ? "output" : "activation", i, square);
  text += fmt::format("  inputs a0\n  outputs a{}\n", times);
  for (int64_t i = 0; i < times; ++i)
    text += fmt::format(
        "  step s{0} {{\n    matmul on [1] at 0 bias=0 residual=0 activation=0\n    read a{0} [*, "
        "*, *]\n    read a{0} [*, *, *]\n    write a{1} [*, *, *]\n  }}\n",
        i, i + 1);
  return std::make_shared<const Executable>(tiny_executable(text + "}\n"));
}

// Vertices that the direct machine cannot join: each reverses a part of its own.
std::shared_ptr<const Executable> many_vertices(int64_t count) {
  return std::make_shared<const Executable>(
      tiny_executable(fmt::format("program many {{\n  target c600\n  input x: f32[{0}] = by [2] at "
                                  "0\n  output y: f32[{0}] = by "
                                  "[2] at 0\n  inputs x\n  outputs y\n  step s {{\n    copy on "
                                  "[{1}] at 0 perm=[0] step=[-1]\n  "
                                  "  read x [g0*2:2]\n    write y [g0*2:2]\n  }}\n}}\n",
                                  2 * count, count)));
}

Status load(const std::shared_ptr<const Executable>& executable, const Limits& limits,
            MachineKind kind = MachineKind::Direct) {
  MachineOptions options{.kind = kind, .threads = 2, .jit = shared_jit()};
  options.limits = limits;
  const auto machine = Machine::load(executable, options);
  return machine.ok() ? Status() : machine.error();
}

void expect_bound(const std::shared_ptr<const Executable>& executable, int64_t Limits::* field,
                  int64_t too_few, int64_t enough, std::string_view said,
                  MachineKind kind = MachineKind::Direct) {
  Limits limits;
  limits.*field = too_few;
  const Status refused = load(executable, limits, kind);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr(said));
  EXPECT_EQ(refused.error().kind, ErrorKind::Refused);
  EXPECT_EQ(refused.error().type, "limit");
  limits.*field = enough;
  const Status raised = load(executable, limits, kind);
  EXPECT_TRUE(raised.ok()) << raised.error().message;
}

constexpr MachineKind kBoth[] = {MachineKind::Direct, MachineKind::Isolated};

TEST(LoadLimits, different_kernels_are_counted_before_one_is_compiled) {
  for (const MachineKind kind : kBoth)
    expect_bound(jit_bomb(3), &Limits::kernels, 2, 3,
                 "jit: needs kernels = 3, must be at most 2 (--limit kernels=VALUE raises it)",
                 kind);
}

TEST(LoadLimits, a_bomb_of_kernels_is_refused_by_what_there_is_to_compile) {
  // Two operands, a domain, 24 operations of four numbers, a constant.
  for (const MachineKind kind : kBoth)
    expect_bound(jit_bomb(2), &Limits::kernel_steps, 199, 200, "jit: needs kernel_steps = 200",
                 kind);
  const int64_t before = shared_jit()->counts().compiled;
  EXPECT_THAT(load(jit_bomb(400), {}).error().message, HasSubstr("needs kernel_steps = "));
  EXPECT_EQ(shared_jit()->counts().compiled, before);
}

TEST(LoadLimits, memory_is_asked_for_before_it_is_taken) {
  const auto executable = many_vertices(1000);
  expect_bound(executable, &Limits::memory, 100'000, 10'000'000,
               "loading its vertices: needs memory", MachineKind::Direct);
  expect_bound(executable, &Limits::memory, 100'000, 10'000'000, "loading its blocks: needs memory",
               MachineKind::Isolated);
  expect_bound(products(512, 2), &Limits::memory, 1'000'000, 10'000'000,
               "loading its variables: needs memory", MachineKind::Direct);
}

TEST(LoadLimits, time_ends_a_load) {
  Limits limits;
  limits.time = 0;
  for (const MachineKind kind : kBoth)
    EXPECT_THAT(load(many_vertices(4), limits, kind).error().message,
                HasSubstr("took longer than 0 s (--limit time=SECONDS raises it)"));
}

TEST(RunLimits, a_run_that_no_host_could_end_in_its_time_is_refused) {
  Limits limits;
  limits.time = 2;
  RunWork work;
  work.add(int64_t{1} << 30, 1800);  // 1.9e12
  EXPECT_TRUE(work.check(1, limits).ok());
  work.add(int64_t{1} << 30, 1800);
  EXPECT_TRUE(work.check(2, limits).ok());
  const Status refused = work.check(1, limits);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message,
            "run: takes as long as 3.87e+12 terms, must be at most 2e+12 in its time (--limit "
            "time=SECONDS raises it)");
  EXPECT_EQ(refused.error().kind, ErrorKind::Refused);
}

TEST(RunLimits, one_call_that_could_not_be_stopped_is_refused) {
  // 1.3e10 terms in one vertex, which an isolated tile cannot share.
  const auto executable = products(2368, 1);
  Limits limits;
  limits.time = 1;
  EXPECT_THAT(
      load(executable, limits, MachineKind::Isolated).error().message,
      HasSubstr("run: one call of a kernel takes as long as 1.33e+10 terms, must be at most "
                "1e+10 in its time"));
  limits.time = 60;
  EXPECT_TRUE(load(executable, limits, MachineKind::Isolated).ok());
}

// The pieces of the first superstep for one thread.
std::vector<JoinedVertex> pieces_of(const Executable& executable) {
  Budget memory({}, &Limits::memory);
  const Program& program = executable.program;
  const auto joined = join_vertices(program, program.supersteps[0].compute, memory);
  return cut_into_pieces(*joined, 1);
}

TEST(RunLimits, a_long_superstep_is_cut_for_one_thread_too) {
  const std::vector<JoinedVertex> pieces = pieces_of(*products(4096, 1));  // 6.9e10
  EXPECT_GE(pieces.size(), 4U);
  for (const JoinedVertex& piece : pieces) EXPECT_LE(work_of(piece), int64_t{1} << 35);
}

// 64 powers of one number, `count` times over.
std::shared_ptr<const Executable> powers(int64_t count) {
  std::string tape = "4,0,1,0";
  for (int row = 1; row < 64; ++row) tape += fmt::format(",4,{},1,0", row + 1);
  return std::make_shared<const Executable>(tiny_executable(
      fmt::format("program powers {{\n  {}\n  input x: f32[1] = by [1] at 0\n  output y: "
                  "bool[{}] = by [{}] at 0\n  inputs x\n  outputs y\n  step s {{\n    elementwise "
                  "on [1] at 0 domain=0 tape=[{}] constants=[1.5]\n    read x [*]\n    write y "
                  "[*]\n  }}\n}}\n",
                  kLargeTiles, count, count, tape)));
}

TEST(RunLimits, an_element_counts_by_what_is_done_to_it) {
  EXPECT_EQ(pieces_of(*powers(1 << 20)).size(), 1U);
  const std::vector<JoinedVertex> pieces = pieces_of(*powers(int64_t{1} << 31));
  EXPECT_GE(pieces.size(), 256U);
  for (const JoinedVertex& piece : pieces) EXPECT_LE(work_of(piece), int64_t{1} << 35);
  Limits limits;
  limits.time = 1;
  EXPECT_THAT(load(powers(1 << 22), limits, MachineKind::Isolated).error().message,
              HasSubstr("run: one call of a kernel takes as long as 1.4e+10 terms"));
}

// `segments` of one token each, which may all stand on the same of `tokens`.
std::shared_ptr<const Executable> segments_anywhere(int64_t segments, int64_t tokens) {
  return std::make_shared<const Executable>(tiny_executable(fmt::format(
      "program segments {{\n  {0}\n  input x: bool[{1},1,1] = by [{1},1,1] at 0\n  input i: "
      "i32[{1},2] = by [{1},2] at 0\n  output y: bool[{2},1] = by [{2},1] at 0\n  inputs x i\n  "
      "outputs y\n  step s {{\n    pack on [1] at 0\n    read x [*, *, *]\n    read i [*, *]\n    "
      "write y [*, *]\n  }}\n}}\n",
      kLargeTiles, segments, tokens)));
}

TEST(RunLimits, segments_that_stand_anywhere_count_by_their_number) {
  const auto executable = segments_anywhere(1 << 16, 1 << 16);  // 4.3e9 copies
  const std::vector<JoinedVertex> pieces = pieces_of(*executable);
  EXPECT_GE(pieces.size(), 4U);
  for (const JoinedVertex& piece : pieces) EXPECT_LE(work_of(piece), int64_t{1} << 35);
  Limits limits;
  limits.time = 1;
  EXPECT_THAT(load(executable, limits, MachineKind::Isolated).error().message,
              HasSubstr("run: one call of a kernel takes as long as 6.87e+10 terms"));
  EXPECT_TRUE(load(segments_anywhere(1 << 10, 1 << 10), limits, MachineKind::Isolated).ok());
}

TEST(RunLimits, tokens_that_are_compared_with_each_other_count_by_their_pairs) {
  const auto greatest = [](int64_t tokens) {
    return std::make_shared<const Executable>(tiny_executable(fmt::format(
        "program greatest {{\n  {0}\n  input x: f32[1,{1},1] = by [1,{1},1] at 0\n  input i: "
        "i32[1,{1}] = by [1,{1}] at 0\n  output y: f32[1,{1},1] = by [1,{1},1] at 0\n  inputs x "
        "i\n  outputs y\n  step s {{\n    segment_max on [1] at 0\n    read x [*, *, *]\n    read "
        "i [*, *]\n    write y [*, *, *]\n  }}\n}}\n",
        kLargeTiles, tokens)));
  };
  Limits limits;
  limits.time = 1;
  for (const MachineKind kind : {MachineKind::Direct, MachineKind::Isolated})
    EXPECT_THAT(load(greatest(1 << 16), limits, kind).error().message,
                HasSubstr("run: one call of a kernel takes as long as 6.87e+10 terms"));
  EXPECT_TRUE(load(greatest(1 << 12), limits, MachineKind::Direct).ok());
}

TEST(RunLimits, a_run_ends_when_its_time_is_over) {
  // 1.1e12 terms: less than one thread might do in three seconds, more than any does.
  const auto executable = products(1024, 1000);
  MachineOptions options{.threads = 1, .jit = shared_jit()};
  const bool compiled = Machine::load(executable, options).ok();  // so that the next load is quick
  ASSERT_TRUE(compiled);
  options.limits.time = 3;
  const auto machine = Machine::load(executable, options);
  ASSERT_TRUE(machine.ok()) << machine.error().message;
  std::vector<float> in(1 << 20), out(1 << 20);
  for (size_t i = 0; i < 1024; ++i) in[i * 1024 + (i + 341) % 1024] = 1;  // equal rows cost nothing
  const std::span<const std::byte> inputs[] = {std::as_bytes(std::span(in))};
  const std::span<std::byte> outputs[] = {std::as_writable_bytes(std::span(out))};
  const auto begin = std::chrono::steady_clock::now();
  const Status status = (*machine)->run(inputs, outputs);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "run: took longer than 3 s (--limit time=SECONDS raises it)");
  EXPECT_EQ(status.error().kind, ErrorKind::Refused);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
}

}  // namespace
}  // namespace tessera
