// SPDX-License-Identifier: Apache-2.0
// The work of a run, counted and not timed, so that a slower host fails nothing and a change that
// makes the host do more is seen: calls of codelets, barriers, and allocations, of which there are
// none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "executor/jit.h"
#include "executor/machine.h"
#include "tests/helpers/tiny_executable.h"

namespace {

std::atomic<int64_t> allocations{0};

void* counted(std::size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}

void* counted(std::size_t bytes, std::align_val_t alignment) {
  ++allocations;
  const auto unit = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit)) return memory;
  throw std::bad_alloc();
}

}  // namespace

// They count for the whole test program; its other tests need not know.
void* operator new(std::size_t bytes) { return counted(bytes); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, alignment);
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace tessera {
namespace {

// More work than one thread is woken for (executor/pieces.cpp).
constexpr int64_t kRows = 1024;

// x · w with its sum in two parts, then the parts with bias and gelu, over `tiles` by four tiles.
std::string split_matmul(int64_t tiles) {
  std::string text = R"(program split_matmul {
  target c600
  input x: f16[ALL,40] = by [EACH,40] at 0
  constant w: f16[40,50] = by [40,25] at 0 data 0
  constant b: f32[50] = by [50] at 7 data 1
  activation p: f32[2,ALL,50] = by [1,EACH,25] at 0
  output y: f16[ALL,50] = by [EACH,50] at 0
  inputs x
  outputs y
  step matmul {
    send x as [1,ALL,40] [*, g1*EACH:EACH, g0*20:20] to [2,TILES,2] at 0
    send w as [1,40,50] [*, g0*20:20, g2*25:25] to [2,TILES,2] at 0
    matmul on [2,TILES,2] at 0 bias=0 residual=0 activation=0
    read x as [1,ALL,40] [*, g1*EACH:EACH, g0*20:20]
    read w as [1,40,50] [*, g0*20:20, g2*25:25]
    write p [g0*1:1, g1*EACH:EACH, g2*25:25]
  }
  step sum {
    send p [*, g0*EACH:EACH, *] to [TILES] at 0
    send b [*] to [TILES] at 0
    reduce_partials on [TILES] at 0 bias=1 residual=0 activation=2
    read p [*, g0*EACH:EACH, *]
    read b [*]
    write y as [1,ALL,50] [*, g0*EACH:EACH, *]
  }
}
)";
  const auto put = [&](const std::string& word, int64_t number) {
    for (size_t at; (at = text.find(word)) != std::string::npos;)
      text.replace(at, word.size(), std::to_string(number));
  };
  put("ALL", kRows);
  put("EACH", kRows / tiles);
  put("TILES", tiles);
  return text;
}

// A machine with buffers, so that a run is nothing but the run.
class Counted {
 public:
  Counted(const std::string& program, int threads, int64_t row_length = 0) {
    MachineOptions options;
    options.threads = threads;
    options.jit = shared_jit();
    Executable executable = tiny_executable(program);
    if (row_length > 0) {
      executable.metadata.packing.form = PackingForm::B;
      executable.metadata.packing.rows = kRows / row_length;
      executable.metadata.packing.row_length = row_length;
    }
    auto machine =
        Machine::load(std::make_shared<const Executable>(std::move(executable)), options);
    EXPECT_TRUE(machine) << machine.error().message;
    machine_ = machine.take();
    const Program& p = machine_->executable().program;
    for (const VariableId id : p.inputs)
      in_.emplace_back(static_cast<size_t>(p.variables[static_cast<size_t>(id)].bytes()));
    for (const VariableId id : p.outputs)
      out_.emplace_back(static_cast<size_t>(p.variables[static_cast<size_t>(id)].bytes()));
    inputs_.assign(in_.begin(), in_.end());
    outputs_.assign(out_.begin(), out_.end());
  }

  int64_t allocations_of_a_run() {
    EXPECT_TRUE(machine_->run(inputs_, outputs_));  // what is made once is made
    return allocations_of_the_next({});
  }
  int64_t allocations_of_the_next(const UsedCells& used) {
    const int64_t before = allocations;
    const Status status = machine_->run(inputs_, outputs_, used);
    const int64_t after = allocations;
    EXPECT_TRUE(status);
    return after - before;
  }
  HostWork work() const { return machine_->host_work(); }

 private:
  std::unique_ptr<Machine> machine_;
  std::vector<Bytes> in_, out_;
  std::vector<std::span<const std::byte>> inputs_;
  std::vector<std::span<std::byte>> outputs_;
};

TEST(CountedWork, the_counter_counts) {
  const int64_t before = allocations;
  const auto some = std::make_unique<int>(1);
  EXPECT_EQ(allocations - before, 1) << *some;
}

TEST(CountedWork, a_run_allocates_nothing) {
  EXPECT_GT(Counted(split_matmul(4), 2).work().calls, 1) << "one thread does all";
  for (const int threads : {1, 2, 5})
    EXPECT_EQ(Counted(split_matmul(4), threads).allocations_of_a_run(), 0) << threads;
}

// In a batch of 256 tokens a row.
TEST(CountedWork, a_run_of_fewer_rows_allocates_once_for_each_number_of_them) {
  UsedCells one(kRows), two(kRows);
  one[3] = true;
  two[256 + 3] = true;
  for (const int threads : {1, 2}) {
    Counted machine(split_matmul(4), threads, 256);
    for (const UsedCells& used : {one, two}) {
      EXPECT_GT(machine.allocations_of_the_next(used), 0) << threads;
      EXPECT_EQ(machine.allocations_of_the_next(used), 0) << threads;
    }
    EXPECT_EQ(machine.allocations_of_the_next(one), 0) << threads;
  }
}

TEST(CountedWork, a_matmul_and_the_sum_of_its_parts_are_one_call_on_one_thread) {
  const HostWork work = Counted(split_matmul(4), 1).work();
  EXPECT_EQ(work.steps, 1);
  EXPECT_EQ(work.calls, 1);
}

TEST(CountedWork, more_tiles_are_no_more_calls) {
  const HostWork few = Counted(split_matmul(2), 2).work();
  const HostWork many = Counted(split_matmul(64), 2).work();
  EXPECT_EQ(few.steps, many.steps);
  EXPECT_EQ(few.calls, many.calls);
  EXPECT_EQ(few.operand_bytes, many.operand_bytes);
}

TEST(CountedWork, a_call_is_handed_each_operand_once) {
  const HostWork work = Counted(split_matmul(4), 1).work();
  const int64_t x = kRows * 40 * 2, w = 40 * 50 * 2, b = 50 * 4, y = kRows * 50 * 2;
  EXPECT_EQ(work.operand_bytes, x + w + b + y);
}

}  // namespace
}  // namespace tessera
