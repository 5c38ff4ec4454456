// SPDX-License-Identifier: Apache-2.0
// The same Program in every way that the machine knows: the same bytes.
#include "executor/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codelets/matmul.h"
#include "executor/jit.h"
#include "tests/helpers/tiny_executable.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

// Rows over tiles, then the same elements seen another way, so that operands come from several
// tiles and blocks are short at the edges.
constexpr std::string_view kSoftmaxTwice = R"(program softmax_twice {
  target test
  input x: f32[7,10] = by [3,10] at 0
  activation y: f16[7,10] = by [2,10] at 0
  output z: f32[14,5] = by [4,5] at 0
  inputs x
  outputs z
  step first {
    send x [g0*2:2, *] to [4] at 0
    softmax on [4] at 0
    read x [g0*2:2, *]
    write y [g0*2:2, *]
  }
  step second {
    send y as [14,5] [g0*4:4, *] to [4] at 0
    softmax on [4] at 0
    read y as [14,5] [g0*4:4, *]
    write z [g0*4:4, *]
  }
}
)";

// fp16 matmul with the inner dimension in two parts, blocks that do not divide, and the sum of the
// parts with bias: constants and activations that want another layout.
constexpr std::string_view kSplitMatmul = R"(program split_matmul {
  target c600
  input x: f16[37,40] = by [10,40] at 0
  constant w: f16[40,50] = by [40,13] at 0 data 0
  constant b: f32[50] = by [50] at 7 data 1
  activation p: f32[2,37,50] = by [1,20,26] at 0
  output y: f16[37,50] = by [7,50] at 0
  inputs x
  outputs y
  step matmul {
    send x as [1,37,40] [*, g1*20:20, g0*20:20] to [2,2,2] at 0
    send w as [1,40,50] [*, g0*20:20, g2*26:26] to [2,2,2] at 0
    matmul on [2,2,2] at 0 bias=0 residual=0 activation=0
    read x as [1,37,40] [*, g1*20:20, g0*20:20]
    read w as [1,40,50] [*, g0*20:20, g2*26:26]
    write p [g0*1:1, g1*20:20, g2*26:26]
  }
  step sum {
    send p [*, g0*7:7, *] to [6] at 0
    send b [*] to [6] at 0
    reduce_partials on [6] at 0 bias=1 residual=0 activation=2
    read p [*, g0*7:7, *]
    read b [*]
    write y as [1,37,50] [*, g0*7:7, *]
  }
}
)";

// The same with parts of f16, over more rows than a piece has.
constexpr std::string_view kHalfPartials = R"(program half_partials {
  target c600
  input x: f16[1,300,70] = by [1,300,70] at 0
  constant w: f16[1,70,130] = by [1,70,130] at 0 data 0
  input r: f16[300,130] = by [300,130] at 0
  activation p: f16[3,300,130] = by [1,37,50] at 0
  output y: f16[300,130] = by [7,130] at 0
  inputs x r
  outputs y
  step matmul {
    send x [*, g1*37:37, g0*32:32] to [3,9,3] at 0
    send w [*, g0*32:32, g2*50:50] to [3,9,3] at 0
    matmul on [3,9,3] at 0 bias=0 residual=0 activation=0
    read x [*, g1*37:37, g0*32:32]
    read w [*, g0*32:32, g2*50:50]
    write p [g0*1:1, g1*37:37, g2*50:50]
  }
  step sum {
    send p [*, g0*7:7, *] to [43] at 0
    send r as [1,300,130] [*, g0*7:7, *] to [43] at 0
    reduce_partials on [43] at 0 bias=0 residual=1 activation=3
    read p [*, g0*7:7, *]
    read r as [1,300,130] [*, g0*7:7, *]
    write y as [1,300,130] [*, g0*7:7, *]
  }
}
)";

// Rows done in two turns, each over all tiles: the second writes the other slice of the result.
constexpr std::string_view kInTurns = R"(program in_turns {
  target c600
  input x: f16[2,20,70] = by [1,20,70] at 0
  constant w: f16[1,70,32] = by [1,70,32] at 0 data 0
  activation p: f16[2,20,32] = by [1,5,16] at 0
  activation q: f16[2,20,32] = by [1,5,16] at 0
  output y: f16[2,20,32] = by [2,5,32] at 0
  inputs x
  outputs y
  step product_0 {
    send x [0:1, g1*5:5, g0*35:35] to [2,4,2] at 0
    send w [*, g0*35:35, g2*16:16] to [2,4,2] at 0
    matmul on [2,4,2] at 0 bias=0 residual=0 activation=0
    read x [0:1, g1*5:5, g0*35:35]
    read w [*, g0*35:35, g2*16:16]
    write p [g0*1:1, g1*5:5, g2*16:16]
  }
  step sum_0 {
    send p [*, g1*5:5, *] to [1,4,1] at 0
    reduce_partials on [1,4,1] at 0 bias=0 residual=0 activation=0
    read p [*, g1*5:5, *]
    write y [0:1, g1*5:5, *]
  }
  step product_1 {
    send x [1:1, g1*5:5, g0*35:35] to [2,4,2] at 0
    send w [*, g0*35:35, g2*16:16] to [2,4,2] at 0
    matmul on [2,4,2] at 0 bias=0 residual=0 activation=0
    read x [1:1, g1*5:5, g0*35:35]
    read w [*, g0*35:35, g2*16:16]
    write q [g0*1:1, g1*5:5, g2*16:16]
  }
  step sum_1 {
    send q [*, g1*5:5, *] to [1,4,1] at 0
    reduce_partials on [1,4,1] at 0 bias=0 residual=0 activation=0
    read q [*, g1*5:5, *]
    write y [1:1, g1*5:5, *]
  }
}
)";

// Attention over two heads: keys and values serve several vertices.
constexpr std::string_view kAttention = R"(program attention {
  target c600
  input q: f16[2,9,2,16] = by [1,3,1,16] at 0
  input k: f16[2,9,2,16] = by [1,3,1,16] at 0
  input v: f16[2,9,2,16] = by [1,3,1,16] at 0
  input ids: i32[2,9] = by [2,9] at 3
  output o: f16[2,9,2,16] = by [1,3,1,16] at 0
  inputs q k v ids
  outputs o
  step attention {
    send k [g0*1:1, *, g2*1:1, *] to [2,3,2] at 0
    send v [g0*1:1, *, g2*1:1, *] to [2,3,2] at 0
    send ids [g0*1:1, g1*3:3] to [2,3,2] at 0
    send ids [g0*1:1, *] to [2,3,2] at 0
    attention on [2,3,2] at 0 scale=0.25 mask=2
    read q [g0*1:1, g1*3:3, g2*1:1, *]
    read k [g0*1:1, *, g2*1:1, *]
    read v [g0*1:1, *, g2*1:1, *]
    read ids [g0*1:1, g1*3:3]
    read ids [g0*1:1, *]
    write o [g0*1:1, g1*3:3, g2*1:1, *]
  }
}
)";

std::unique_ptr<Machine> machine_of(const std::shared_ptr<const Executable>& executable,
                                    MachineOptions options) {
  options.jit = shared_jit();
  auto machine = Machine::load(executable, options);
  EXPECT_TRUE(machine.ok()) << machine.error().message;
  return machine.ok() ? machine.take() : nullptr;
}

std::vector<Bytes> random_inputs(const Program& program) {
  std::vector<Bytes> inputs;
  for (VariableId id : program.inputs) {
    const Variable& v = program.variables[static_cast<size_t>(id)];
    inputs.push_back(random_tensor(v.dtype, elements(v.shape), 100 + static_cast<uint32_t>(id)));
  }
  return inputs;
}

// One run on these inputs; the outputs.
std::vector<Bytes> run(Machine& machine, const std::vector<Bytes>& inputs) {
  const Program& program = machine.executable().program;
  std::vector<Bytes> outputs;
  for (VariableId id : program.outputs) {
    const Variable& v = program.variables[static_cast<size_t>(id)];
    outputs.emplace_back(static_cast<size_t>(v.bytes()), std::byte{0xEE});
  }
  const std::vector<std::span<const std::byte>> in(inputs.begin(), inputs.end());
  const std::vector<std::span<std::byte>> out(outputs.begin(), outputs.end());
  const Status status = machine.run(in, out);
  EXPECT_TRUE(status.ok()) << status.error().message;
  return outputs;
}

struct Way {
  const char* name;
  MachineOptions options;
};
const Way kWays[] = {
    {"direct",            {.threads = 1}                                                      },
    {"two_threads",       {.threads = 2}                                                      },
    {"five_threads",      {.threads = 5}                                                      },
    {"reversed",          {.threads = 2, .reverse_tiles = true}                               },
    {"isolated",          {.kind = MachineKind::Isolated, .threads = 1}                       },
    {"isolated_reversed", {.kind = MachineKind::Isolated, .threads = 1, .reverse_tiles = true}},
};

class EveryProgram : public ::testing::TestWithParam<std::string_view> {
 protected:
  std::shared_ptr<const Executable> executable_ =
      std::make_shared<const Executable>(tiny_executable(GetParam()));
};

TEST_P(EveryProgram, gives_the_same_bytes_in_every_way_and_every_run) {
  const std::vector<Bytes> inputs = random_inputs(executable_->program);
  const std::vector<Bytes> expected = run(*machine_of(executable_, kWays[0].options), inputs);
  for (const Way& way : kWays) {
    const std::unique_ptr<Machine> machine = machine_of(executable_, way.options);
    EXPECT_EQ(run(*machine, inputs), expected) << way.name;
    EXPECT_EQ(run(*machine, inputs), expected) << way.name << ", second run";
  }
}

TEST_P(EveryProgram, gives_the_same_bytes_in_blocks_of_every_size) {
  const std::vector<Bytes> inputs = random_inputs(executable_->program);
  const std::vector<Bytes> expected = run(*machine_of(executable_, {.threads = 1}), inputs);
  for (const MatMulBlocks& blocks : {
           MatMulBlocks{16,  5,   true },
           MatMulBlocks{48,  33,  false},
           MatMulBlocks{288, 768, true }
  }) {
    MachineOptions options{.threads = 2};
    options.blocks = std::make_shared<const MatMulBlocks>(blocks);
    const std::unique_ptr<Machine> machine = machine_of(executable_, options);
    EXPECT_EQ(machine->blocks().rows, blocks.rows);
    EXPECT_EQ(run(*machine, inputs), expected) << blocks.rows << " by " << blocks.terms;
  }
}

// Each with a jit of its own, so that what is compiled for one CPU never runs for another.
TEST_P(EveryProgram, gives_the_same_bytes_on_every_cpu) {
  const std::vector<Bytes> inputs = random_inputs(executable_->program);
  const std::vector<Bytes> expected = run(*machine_of(executable_, {.threads = 1}), inputs);
  for (const char* cpu : {"x86-64-v4", "x86-64-v3", "x86-64-v2", "x86-64"}) {
    auto jit = Jit::create({.cpu = cpu});
    if (!jit.ok()) {
      std::cout << cpu << " left out: " << jit.error().message << "\n";
      continue;
    }
    auto machine = Machine::load(executable_, {.threads = 2, .cpu = cpu, .jit = jit.take()});
    ASSERT_TRUE(machine.ok()) << machine.error().message;
    EXPECT_EQ(run(*machine.take(), inputs), expected) << cpu;
  }
}

TEST_P(EveryProgram, moves_the_bytes_between_tiles_that_the_plan_charges) {
  const std::unique_ptr<Machine> machine = machine_of(executable_, {.kind = MachineKind::Isolated});
  run(*machine, random_inputs(executable_->program));
  const std::vector<int64_t> moved = machine->exchanged_bytes();
  ASSERT_EQ(moved.size(), machine->cost().steps.size());
  for (size_t s = 0; s < moved.size(); ++s) {
    EXPECT_EQ(moved[s], machine->cost().steps[s].exchange_bytes)
        << executable_->program.supersteps[s].name;
  }
}

// Cycles are a function of the Program: no machine, and nothing that ran before, changes them.
TEST_P(EveryProgram, takes_the_same_cycles_on_every_host_in_every_way_and_order) {
  const auto cycles_of = [](const ProgramCost& cost) {
    std::vector<uint64_t> cycles;
    for (const SuperstepCost& step : cost.steps)
      for (const Cycles part : {step.rearrange, step.exchange, step.compute, step.sync})
        cycles.push_back(part.value);
    return cycles;
  };
  const std::vector<uint64_t> expected = cycles_of(program_cost(executable_->program));
  const auto other = std::make_shared<const Executable>(tiny_executable(kInTurns));
  for (const Way& way : kWays) {
    const std::unique_ptr<Machine> machine = machine_of(executable_, way.options);
    EXPECT_EQ(cycles_of(machine->cost()), expected) << way.name;
    run(*machine_of(other, way.options), random_inputs(other->program));
    run(*machine, random_inputs(executable_->program));
    EXPECT_EQ(cycles_of(machine->cost()), expected) << way.name << ", after runs";
  }
  auto jit = Jit::create({.cpu = "x86-64-v2"});
  if (!jit.ok()) GTEST_SKIP() << jit.error().message;
  auto machine = Machine::load(executable_, {.threads = 2, .cpu = "x86-64-v2", .jit = jit.take()});
  ASSERT_TRUE(machine.ok()) << machine.error().message;
  EXPECT_EQ(cycles_of(machine.take()->cost()), expected);
}

INSTANTIATE_TEST_SUITE_P(, EveryProgram,
                         ::testing::Values(kSoftmaxTwice, kSplitMatmul, kHalfPartials, kInTurns,
                                           kAttention),
                         [](const auto& info) {
                           const size_t begin = info.param.find(' ') + 1;
                           const size_t end = info.param.find(' ', begin);
                           return std::string(info.param.substr(begin, end - begin));
                         });

TEST(Machine, rows_that_are_alike_are_multiplied_once_and_answered_each) {
  const auto executable = std::make_shared<const Executable>(tiny_executable(kHalfPartials));
  std::vector<Bytes> inputs = random_inputs(executable->program);
  const auto row = inputs[0].begin() + 10 * 70 * 2;
  for (auto to = row + 70 * 2; to != row + 250 * 70 * 2; to += 70 * 2) {
    std::copy(row, row + 70 * 2, to);
  }
  EXPECT_EQ(run(*machine_of(executable, {.threads = 2}), inputs),
            run(*machine_of(executable, {.kind = MachineKind::Isolated, .threads = 1}), inputs));
}

// The isolated machine's error for kSoftmaxTwice with one part of its text changed.
std::string isolated_error(const std::string& part, const std::string& by) {
  std::string text(kSoftmaxTwice);
  text.replace(text.find(part), part.size(), by);
  const auto executable = std::make_shared<const Executable>(unverified_executable(text));
  const std::unique_ptr<Machine> machine = machine_of(executable, {.kind = MachineKind::Isolated});
  const std::vector<Bytes> inputs = random_inputs(executable->program);
  Bytes out(static_cast<size_t>(14 * 5 * 4));
  const std::span<const std::byte> in = inputs[0];
  const std::span<std::byte> to = out;
  const Status status = machine->run({&in, 1}, {&to, 1});
  return status.ok() ? "" : status.error().message;
}

TEST(Machine, an_isolated_tile_reads_only_what_was_delivered) {
  EXPECT_EQ(isolated_error("send x [g0*2:2, *] to [4] at 0\n", "\n"),
            "superstep 'first': operand 0 reads 10 elements of x that are not on tile 1, must be "
            "mapped there or delivered");
}

TEST(Machine, an_isolated_tile_writes_only_its_own_block) {
  EXPECT_EQ(isolated_error("y: f16[7,10] = by [2,10]", "y: f16[7,10] = by [7,5]"),
            "superstep 'first': operand 1 writes 10 elements of y that are not on tile 0, must be "
            "mapped there");
}

TEST(Machine, a_program_larger_than_its_tiles_is_refused_in_poplars_words) {
  Executable executable = tiny_executable(kSoftmaxTwice);
  executable.program.target.bytes_per_tile = 1000;
  auto machine = Machine::load(std::make_shared<const Executable>(std::move(executable)));
  ASSERT_FALSE(machine.ok());
  EXPECT_EQ(machine.error().kind, ErrorKind::OutOfMemory);
  EXPECT_THAT(machine.error().message, HasSubstr("Out of memory on tile "));
  EXPECT_THAT(machine.error().message, HasSubstr("but tiles only have 1000 bytes of memory"));
}

TEST(Machine, buffers_of_another_size_are_refused_by_name) {
  const auto executable = std::make_shared<const Executable>(tiny_executable(kSoftmaxTwice));
  const std::unique_ptr<Machine> machine = machine_of(executable, {});
  Bytes in(280), out(280);
  const auto message = [&](std::span<const std::byte> from, std::span<std::byte> to) {
    const Status status = machine->run({&from, 1}, {&to, 1});
    return status.ok() ? "ok" : status.error().message;
  };
  EXPECT_EQ(message(std::span(in).first(276), out), "x: the buffer is 276 bytes, must be 280");
  EXPECT_EQ(message(in, std::span(out).first(4)), "z: the buffer is 4 bytes, must be 280");
  EXPECT_EQ(message(in, out), "ok");
}

TEST(Machine, a_constant_without_its_bytes_is_refused) {
  Executable executable = tiny_executable(kSplitMatmul);
  executable.constants[1].bytes = executable.constants[1].bytes.first(8);
  auto machine = Machine::load(std::make_shared<const Executable>(std::move(executable)));
  ASSERT_FALSE(machine.ok());
  EXPECT_EQ(machine.error().message, "constant b: its data is 8 bytes, must be 200");
}

TEST(Machine, the_host_profile_has_every_superstep_once_asked_for) {
  const auto executable = std::make_shared<const Executable>(tiny_executable(kSoftmaxTwice));
  const std::unique_ptr<Machine> machine = machine_of(executable, {});
  EXPECT_TRUE(machine->host_profile().empty());
  run(*machine, random_inputs(executable->program));
  const std::vector<HostStep> profile = machine->host_profile();
  ASSERT_EQ(profile.size(), 2u);
  EXPECT_EQ(profile[0].name, "first");
  EXPECT_EQ(profile[1].codelet, "softmax");
  EXPECT_GT(profile[0].seconds, 0);
  EXPECT_EQ(machine->host_profile()[0].seconds, 0) << "a profile begins anew";
}

}  // namespace
}  // namespace tessera
