// SPDX-License-Identifier: Apache-2.0
#include "executor/used_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "executor/jit.h"
#include "executor/machine.h"
#include "tests/helpers/tiny_executable.h"

namespace tessera {
namespace {

// Rows of softmax, then turned: what is made of all rows at once reads each of them.
constexpr std::string_view kTurned = R"(program turned {
  target test
  input x: f32[4,2] = by [1,2] at 0
  activation y: f32[4,2] = by [1,2] at 0
  output z: f32[2,4] = by [2,1] at 0
  inputs x
  outputs z
  step rows {
    softmax on [4] at 0
    read x [g0*1:1, *]
    write y [g0*1:1, *]
  }
  step turn {
    copy on [4] at 0 perm=[1,0] step=[1,1]
    read y [g0*1:1, *]
    write z [*, g0*1:1]
  }
}
)";

Executable packed() {
  Executable executable = tiny_executable(kTurned);
  executable.metadata.packing.form = PackingForm::B;
  executable.metadata.packing.rows = 4;
  executable.metadata.packing.row_length = 2;
  return executable;
}

std::vector<float> run(Machine& machine, const std::vector<float>& x, const UsedCells& used) {
  std::vector<float> z(8, 55);
  const std::span<const std::byte> in = std::as_bytes(std::span(x));
  const std::span<std::byte> out = std::as_writable_bytes(std::span(z));
  const Status ran = machine.run({&in, 1}, {&out, 1}, used);
  EXPECT_TRUE(ran.ok()) << ran.error().message;
  return z;
}

TEST(UsedRows, what_reads_all_rows_finds_zeros_and_no_earlier_batch) {
  MachineOptions options;
  options.jit = shared_jit();
  const auto machine = Machine::load(std::make_shared<const Executable>(packed()), options).take();
  const std::vector<float> x = {1, 1, 2, 2, 3, 3, 4, 4};
  EXPECT_THAT(run(*machine, x, {}), testing::Each(0.5F));
  const UsedCells first_row = {true, true, false, false, false, false, false, false};
  EXPECT_EQ(run(*machine, x, first_row), (std::vector<float>{0.5F, 0, 0, 0, 0.5F, 0, 0, 0}));
  const UsedCells third_row = {false, false, false, false, false, true, false, false};
  EXPECT_EQ(run(*machine, x, third_row),
            (std::vector<float>{0.5F, 0.5F, 0.5F, 0, 0.5F, 0.5F, 0.5F, 0}));
  EXPECT_THAT(run(*machine, x, {}), testing::Each(0.5F));
}

constexpr int kOneRow = 2, kTwoRows = 4;  // cells
UsedCells used_cells(int cells) {
  UsedCells used(8);
  std::fill_n(used.begin(), cells, true);
  return used;
}

std::unique_ptr<Machine> loaded(Executable executable, const Limits& limits = {}) {
  MachineOptions options;
  options.threads = 1;
  options.jit = shared_jit();
  options.limits = limits;
  auto machine = Machine::load(std::make_shared<const Executable>(std::move(executable)), options);
  return machine.ok() ? machine.take() : nullptr;
}

TEST(UsedRows, have_calls_from_the_first_batch_of_so_few_rows_on) {
  const auto machine = loaded(packed());
  EXPECT_EQ(machine->host_bytes(), loaded(tiny_executable(kTurned))->host_bytes())
      << "a load makes none of them";
  const int64_t kernels = machine->jit_counts().compiled + machine->jit_counts().loaded;
  const std::vector<float> x = {1, 1, 2, 2, 3, 3, 4, 4};
  int64_t bytes = machine->host_bytes();
  run(*machine, x, {});
  EXPECT_EQ(machine->host_bytes(), bytes);
  for (const int cells : {kOneRow, kTwoRows}) {
    run(*machine, x, used_cells(cells));
    EXPECT_GT(machine->host_bytes(), bytes) << cells;
    bytes = machine->host_bytes();
  }
  for (const int cells : {kTwoRows, kOneRow, kOneRow - 1}) {
    const std::vector<float> z = run(*machine, x, used_cells(cells));
    EXPECT_EQ(z, run(*loaded(packed()), x, used_cells(cells))) << cells;
    EXPECT_EQ(machine->host_bytes(), bytes) << cells;
  }
  EXPECT_EQ(machine->jit_counts().compiled + machine->jit_counts().loaded, kernels)
      << "all kernels are there when a machine is loaded";
}

TEST(UsedRows, answer_alike_where_memory_has_no_room_for_their_calls) {
  Limits limits;
  int64_t least = 0, enough = 1 << 20;  // of a load
  while (enough - least > 1) {
    limits.memory = (least + enough) / 2;
    (loaded(packed(), limits) ? enough : least) = limits.memory;
  }
  limits.memory = enough;
  const auto machine = loaded(packed(), limits);
  const int64_t bytes = machine->host_bytes();
  const std::vector<float> x = {1, 1, 2, 2, 3, 3, 4, 4};
  EXPECT_EQ(run(*machine, x, used_cells(kOneRow)),
            (std::vector<float>{0.5F, 0, 0, 0, 0.5F, 0, 0, 0}))
      << "it computes the whole batch";
  EXPECT_EQ(machine->host_bytes(), bytes);
}

// Its rows see each other, whatever its metadata say: the answers of each hang on all of them.
constexpr std::string_view kMixed = R"(program mixed {
  target test
  input x: f32[4,2] = by [1,2] at 0
  activation y: f32[4,2] = by [1,2] at 0
  activation t: f32[2,4] = by [2,1] at 0
  activation u: f32[2,4] = by [1,4] at 0
  output z: f32[4,2] = by [1,2] at 0
  inputs x
  outputs z
  step rows {
    softmax on [4] at 0
    read x [g0*1:1, *]
    write y [g0*1:1, *]
  }
  step turn {
    copy on [4] at 0 perm=[1,0] step=[1,1]
    read y [g0*1:1, *]
    write t [*, g0*1:1]
  }
  step mix {
    send t [g0*1:1, *] to [2] at 0
    softmax on [2] at 0
    read t [g0*1:1, *]
    write u [g0*1:1, *]
  }
  step turn_back {
    send u [*, g0*1:1] to [4] at 0
    copy on [4] at 0 perm=[1,0] step=[1,1]
    read u [*, g0*1:1]
    write z [g0*1:1, *]
  }
}
)";

TEST(UsedRows, of_a_program_that_mixes_rows_have_the_same_answers_on_every_machine) {
  Executable executable = tiny_executable(kMixed);
  executable.metadata.packing = packed().metadata.packing;
  const auto shared = std::make_shared<const Executable>(std::move(executable));
  MachineOptions options;
  options.threads = 1;
  options.jit = shared_jit();
  const auto first = Machine::load(shared, options).take();
  const std::vector<float> x = {1, 2, 2, 5, 3, 3, 4, 1};
  const std::vector<float> whole = run(*first, x, {});
  for (const bool isolated : {false, true}) {
    for (const bool reversed : {false, true}) {
      options.kind = isolated ? MachineKind::Isolated : MachineKind::Direct;
      options.threads = reversed ? 3 : 1;
      options.small_pieces = options.reverse_tiles = reversed;
      const auto other = Machine::load(shared, options).take();
      for (int cells = 0; cells <= 8; ++cells)
        EXPECT_EQ(run(*other, x, used_cells(cells)), run(*first, x, used_cells(cells)))
            << cells << (isolated ? " isolated" : " direct") << (reversed ? " reversed" : "");
      EXPECT_EQ(run(*other, x, {}), whole);
    }
  }
  EXPECT_NE(run(*first, x, used_cells(kOneRow))[0], whole[0]) << "this Program does mix them";
}

// Indices that belong to no cell all count, and the gather itself stops early.
constexpr std::string_view kLooksUp = R"(program looks_up {
  target test
  input x: i32[4,2] = by [1,2] at 0
  activation ids: i32[4,2] = by [1,2] at 0
  constant table: f32[5] = by [5] at 0 data 0
  output z: f32[8] = by [2] at 0
  inputs x
  outputs z
  step ids {
    copy on [4] at 0 perm=[0,1] step=[1,1]
    read x [g0*1:1, *]
    write ids [g0*1:1, *]
  }
  step look_up {
    send table [*] to [4] at 0
    gather on [4] at 0 rows=5 cells=0 shape=[4,2]
    read table as [1,5,1] [*, *, *]
    read ids as [8] [g0*2:2]
    write z as [1,1,8,1] [*, *, g0*2:2, *]
  }
}
)";

TEST(UsedRows, are_not_refused_for_an_index_of_an_earlier_batch) {
  Executable executable = tiny_executable(kLooksUp);
  executable.metadata.packing = packed().metadata.packing;
  const auto machine = loaded(std::move(executable));
  ASSERT_NE(machine, nullptr);
  std::vector<float> z(8);
  const auto run_ids = [&](const std::vector<int32_t>& ids, const UsedCells& used) {
    const std::span<const std::byte> in = std::as_bytes(std::span(ids));
    const std::span<std::byte> out = std::as_writable_bytes(std::span(z));
    return machine->run({&in, 1}, {&out, 1}, used);
  };
  EXPECT_FALSE(run_ids({0, 1, 2, 3, 4, 0, 1, 99}, {}).ok());
  const Status ran = run_ids({0, 1, 0, 0, 0, 0, 0, 0}, used_cells(kOneRow));
  EXPECT_TRUE(ran.ok()) << ran.error().message;
}

// Two rows of four cells; what is made of all cells of a row reads each of them.
constexpr std::string_view kPooled = R"(program pooled {
  target test
  input x: f32[2,4,2] = by [1,2,2] at 0
  activation y: f32[8,2] = by [2,2] at 0
  output z: f32[2,2] = by [1,2] at 0
  inputs x
  outputs z
  step cells {
    softmax on [4] at 0
    read x as [8,2] [g0*2:2, *]
    write y [g0*2:2, *]
  }
  step pool {
    send y as [2,4,2] [g0*1:1, *, *] to [2] at 0
    POOL
  }
}
)";
constexpr std::string_view kSum = R"(reduce on [2] at 0 kind=0
    read y as [2,4,2] [g0*1:1, *, *]
    write z [g0*1:1, *])";
constexpr std::string_view kLastCell = R"(copy on [2] at 0 perm=[0,1,2] step=[1,1,1]
    read y as [2,4,2] [g0*1:1, 3:1, *]
    write z as [2,1,2] [g0*1:1, *, *])";

std::vector<float> run_pooled(std::string_view pool, MachineKind kind, const UsedCells& used) {
  std::string text(kPooled);
  text.replace(text.find("POOL"), 4, pool);
  Executable executable = tiny_executable(text);
  executable.metadata.packing.form = PackingForm::B;
  executable.metadata.packing.rows = 2;
  executable.metadata.packing.row_length = 4;
  MachineOptions options;
  options.kind = kind;
  options.jit = shared_jit();
  auto machine = Machine::load(std::make_shared<const Executable>(std::move(executable)), options);
  EXPECT_TRUE(machine.ok()) << machine.error().message;
  if (!machine.ok()) return {};
  const std::vector<float> x(16, 3);
  std::vector<float> z(4, 55);
  const std::span<const std::byte> in = std::as_bytes(std::span(x));
  const std::span<std::byte> out = std::as_writable_bytes(std::span(z));
  const Status ran = (*machine)->run({&in, 1}, {&out, 1}, used);
  EXPECT_TRUE(ran.ok()) << ran.error().message;
  return z;
}

TEST(UsedCells, are_computed_alone_where_zeros_are_harmless_to_all_that_reads_the_others) {
  for (const MachineKind kind : {MachineKind::Direct, MachineKind::Isolated}) {
    EXPECT_THAT(run_pooled(kSum, kind, {}), testing::Each(2));
    EXPECT_EQ(run_pooled(kSum, kind, used_cells(2)), (std::vector<float>{1, 1, 0, 0}));
    EXPECT_EQ(run_pooled(kSum, kind, used_cells(3)), (std::vector<float>{1.5, 1.5, 0, 0}));
    EXPECT_EQ(run_pooled(kSum, kind, used_cells(5)), (std::vector<float>{2, 2, 2, 2}));
    EXPECT_EQ(run_pooled(kLastCell, kind, used_cells(2)), (std::vector<float>{0.5F, 0.5F, 0, 0}))
        << "nobody knows what is made of a copy";
  }
}

// A place for each of four requests on a line of eight cells; what is made of all places at once
// reads each of them.
constexpr std::string_view kUnpacked = R"(program unpacked {
  target test
  input x: f32[4,2,2] = by [4,2,2] at 0
  input places: i32[4,2] = by [4,2] at 0
  activation u: f32[4,2,2] = by [1,2,2] at 0
  activation y: f32[4,4] = by [1,4] at 0
  output z: f32[4,4] = by [4,1] at 0
  inputs x places
  outputs z
  step unpack {
    send x as [8,2] [*, *] to [4,1,1] at 0
    send places [*, *] to [4,1,1] at 0
    unpack on [4,1,1] at 0
    read x as [8,2] [*, *]
    read places [*, *]
    write u [g0*1:1, *, *]
  }
  step softmax {
    softmax on [4] at 0
    read u as [4,4] [g0*1:1, *]
    write y [g0*1:1, *]
  }
  step turn {
    copy on [4] at 0 perm=[1,0] step=[1,1]
    read y [g0*1:1, *]
    write z [*, g0*1:1]
  }
}
)";

std::vector<float> run_unpacked(Machine& machine, const std::vector<int32_t>& places,
                                const UsedCells& used) {
  const std::vector<float> x = {1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8};
  std::vector<float> z(16, 55);
  const std::array in = {std::as_bytes(std::span(x)), std::as_bytes(std::span(places))};
  const std::span<std::byte> out = std::as_writable_bytes(std::span(z));
  const Status ran = machine.run(in, {&out, 1}, used);
  EXPECT_TRUE(ran.ok()) << ran.error().message;
  return z;
}

TEST(UsedRequests, what_reads_all_places_finds_zeros_behind_the_last_request) {
  Executable executable = tiny_executable(kUnpacked);
  executable.metadata.packing = packed().metadata.packing;
  executable.metadata.packing.unpack_info_input = "places";
  const auto batch = batch_parts_of(executable);
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->requests, 4);
  const auto shared = std::make_shared<const Executable>(std::move(executable));
  const std::vector<int32_t> full = {0, 2, 2, 2, 4, 2, 6, 2}, one = {1, 2, 0, 0, 0, 0, 0, 0};
  const UsedCells used = used_cells(kTwoRows);
  for (const MachineKind kind : {MachineKind::Direct, MachineKind::Isolated}) {
    MachineOptions options;
    options.kind = kind;
    options.jit = shared_jit();
    const auto machine = Machine::load(shared, options).take();
    EXPECT_THAT(run_unpacked(*machine, full, {}), testing::Each(testing::Gt(0.0F)));
    const std::vector<float> whole = run_unpacked(*machine, one, {});
    EXPECT_FLOAT_EQ(whole[1], 0.25F) << "a place without a request is computed";
    const std::vector<float> few = run_unpacked(*machine, one, used);
    for (size_t i = 0; i < few.size(); ++i)
      EXPECT_EQ(few[i], i % 4 == 0 ? whole[i] : 0)
          << i << (kind == MachineKind::Direct ? " direct" : " isolated");
    EXPECT_EQ(run_unpacked(*machine, full, used), run_unpacked(*machine, full, {}));
  }
}

TEST(UsedRows, are_counted_in_steps_of_a_half_at_most) {
  EXPECT_THAT(part_counts(1), testing::ElementsAre(1));
  EXPECT_THAT(part_counts(16), testing::ElementsAre(1, 2, 3, 4, 6, 8, 12, 16));
  EXPECT_THAT(part_counts(5), testing::ElementsAre(1, 2, 3, 4, 5));
}

TEST(UsedRows, are_those_of_executables_whose_rows_do_not_see_each_other) {
  Executable executable = packed();
  ASSERT_TRUE(batch_parts_of(executable));
  EXPECT_EQ(batch_parts_of(executable)->rows, 4);
  executable.metadata.replication_factor = 2;  // each replica runs the Program over its share
  EXPECT_EQ(batch_parts_of(executable)->rows, 2);
  executable.metadata.replication_factor = 1;
  executable.metadata.packing.form = PackingForm::None;
  executable.metadata.packing.request_size = RequestSize::Batch;
  EXPECT_FALSE(batch_parts_of(executable));
}

}  // namespace
}  // namespace tessera
