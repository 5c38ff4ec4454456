// SPDX-License-Identifier: Apache-2.0
#include "executor/inside.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <csignal>
#include <filesystem>

#include "executor/host_memory.h"
#include "executor/machine.h"
#include "program/read_popef.h"
#include "support/file.h"
#include "tests/helpers/paths.h"
#include "tests/helpers/test_with_folder.h"
#include "tests/helpers/tiny_executable.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

std::string hostile(const std::string& name) {
  return read_text_file(tessera::test::source_dir() + "/tests/data/hostile/" + name).take();
}

constexpr std::string_view kCopy = R"(program small {
  target test
  input x: f32[6,4] = by [6,4] at 0
  constant w: f32[6,4] = by [6,4] at 0 data 0
  output y: f32[6,4] = by [3,4] at 0
  inputs x
  outputs y
  step add {
    send x [g0*3:3, *] to [2] at 0
    send w [g0*3:3, *] to [2] at 0
    elementwise on [2] at 0 domain=0 tape=[0,0,1,0] constants=[]
    read x [g0*3:3, *]
    read w [g0*3:3, *]
    write y [g0*3:3, *]
  }
}
)";

TEST(Hostile, copies_of_boxes_of_two_sizes_are_refused_by_the_verifier) {
  for (const char* name : {"copy_oob.txt", "copy_join.txt"}) {
    const Executable executable = unverified_executable(hostile(name));
    const Status verified = verify_program(executable.program, check_compute_set);
    ASSERT_FALSE(verified.ok()) << name;
    EXPECT_THAT(verified.error().message, HasSubstr("superstep 's': copy: dimension 0 has"));
    EXPECT_EQ(verified.error().kind, ErrorKind::BadFile);
  }
}

TEST(Hostile, what_no_verifier_saw_is_refused_when_it_loads) {
  for (const char* name : {"copy_oob.txt", "copy_join.txt"}) {
    const auto executable =
        std::make_shared<const Executable>(unverified_executable(hostile(name)));
    for (const MachineKind kind : {MachineKind::Direct, MachineKind::Isolated}) {
      const auto machine =
          Machine::load(executable, {.kind = kind, .threads = 2, .jit = shared_jit()});
      ASSERT_FALSE(machine.ok());
      EXPECT_EQ(machine.error().kind, ErrorKind::BadFile);
      EXPECT_THAT(machine.error().message, HasSubstr("superstep 's': copy: dimension 0 has"));
    }
  }
}

TEST(Inside, a_box_beyond_its_variable_is_an_error_that_names_the_operand) {
  const Executable executable = tiny_executable(kCopy);
  const Program& program = executable.program;
  Budget memory({}, &Limits::memory);
  JoinedVertex vertex = join_vertices(program, program.supersteps[0].compute, memory).take()[0];
  EXPECT_TRUE(check_inside(program, vertex).ok());
  const auto error_after = [&](auto change) {
    JoinedVertex changed = vertex;
    change(changed.operands[1]);
    const Status status = check_inside(program, changed);
    return status.ok() ? "" : status.error().message;
  };
  EXPECT_EQ(error_after([](JoinedOperand& o) { o.box[0].end = 7; }),
            "operand 1: [0:7,0:4] of 'w' as [6,4], must lie inside");
  EXPECT_EQ(error_after([](JoinedOperand& o) { o.box[1].begin = -1; }),
            "operand 1: [0:6,-1:4] of 'w' as [6,4], must lie inside");
  EXPECT_EQ(error_after([](JoinedOperand& o) { o.box[1].begin = 4; }),
            "operand 1: [0:6,4:4] of 'w' as [6,4], must lie inside");
  EXPECT_EQ(error_after([](JoinedOperand& o) { o.view = {6, 5}; }),
            "operand 1: view of 'w' is [6,5], must have the elements of [6,4]");
  EXPECT_EQ(error_after([](JoinedOperand& o) { o.variable = 9; }),
            "operand 1: is variable 9, must be one of the program's 3");
  EXPECT_EQ(error_after([](JoinedOperand& o) { o.box[0].end = 5; }),
            "elementwise: operand 1 is f32[5,4], must be any[6,4]");
}

// --- Faults of compiled code ---

std::byte* page_of(std::byte* at) { return at - reinterpret_cast<uintptr_t>(at) % 4096; }

// Constants that are not there: what a kernel meets whose proofs are wrong.
TEST(Fault, of_compiled_code_is_the_error_of_that_run_and_the_next_run_is_well) {
  for (const MachineKind kind : {MachineKind::Direct, MachineKind::Isolated}) {
    for (const int threads : {1, 3}) {
      Executable executable = tiny_executable(kCopy);
      const auto page = std::make_shared<HostBuffer>(HostBuffer::allocate(96).take());
      std::memset(page->data(), 0, 96);
      executable.constants[0] = {
          page, {page->data(), 96}
      };
      const auto shared = std::make_shared<const Executable>(std::move(executable));
      const MachineOptions options{
          .kind = kind, .threads = threads, .small_pieces = true, .jit = shared_jit()};
      auto machine = Machine::load(shared, options);
      ASSERT_TRUE(machine.ok()) << machine.error().message;
      const Bytes x = random_tensor(DType::F32, 24, 3);
      Bytes y(96);
      const std::vector<std::span<const std::byte>> in = {x};
      const std::vector<std::span<std::byte>> out = {y};
      ASSERT_TRUE((*machine)->run(in, out).ok());
      EXPECT_EQ(y, x);
      if (kind == MachineKind::Isolated) continue;  // its constants were copied
      ::mprotect(page_of(page->data()), 4096, PROT_NONE);
      const Status ran = (*machine)->run(in, out);
      ASSERT_FALSE(ran.ok());
      EXPECT_EQ(ran.error().message,
                "superstep 'add': its compiled code ended with SIGSEGV, must stay inside its "
                "operands; this batch has no answer");
      ::mprotect(page_of(page->data()), 4096, PROT_READ);
      y.assign(96, std::byte{1});
      ASSERT_TRUE((*machine)->run(in, out).ok());
      EXPECT_EQ(y, x);
    }
  }
}

class CutOffExecutable : public TestWithFolder {};

TEST_F(CutOffExecutable, is_an_error_of_the_run_that_reads_what_is_gone) {
  Executable executable = tiny_executable(kCopy, {Bytes(96)});
  const std::string file = path("x.popef");
  ASSERT_TRUE(write_popef(executable, file).ok());
  auto read = read_popef(file, check_compute_set);
  ASSERT_TRUE(read.ok()) << read.error().message;
  const auto shared = std::make_shared<const Executable>(read.take());
  auto machine = Machine::load(shared, {.threads = 1, .jit = shared_jit()});
  ASSERT_TRUE(machine.ok()) << machine.error().message;
  const Bytes x = random_tensor(DType::F32, 24, 3);
  Bytes y(96);
  const std::vector<std::span<const std::byte>> in = {x};
  const std::vector<std::span<std::byte>> out = {y};
  ASSERT_TRUE((*machine)->run(in, out).ok());
  EXPECT_EQ(y, x);
  std::filesystem::resize_file(file, 0);
  for (int i = 0; i < 2; ++i) {
    const Status ran = (*machine)->run(in, out);
    ASSERT_FALSE(ran.ok());
    EXPECT_EQ(ran.error().message,
              "constants: the file that holds them was cut off, must stay as it is while it is "
              "used");
  }
  for (const MachineKind kind : {MachineKind::Direct, MachineKind::Isolated})
    EXPECT_FALSE(Machine::load(shared, {.kind = kind, .threads = 1, .jit = shared_jit()}).ok());
}

}  // namespace
}  // namespace tessera
