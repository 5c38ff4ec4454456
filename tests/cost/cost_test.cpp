// SPDX-License-Identifier: Apache-2.0
#include "cost/cost.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "codelets/codelet.h"
#include "cost/exchange.h"
#include "cost/memory_by_tile.h"
#include "program/boxes.h"
#include "program/isolation.h"
#include "program/text.h"
#include "program/verify.h"
#include "tests/helpers/small_program.h"

namespace tessera {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Program parsed(std::string_view text = kPricedProgram) {
  auto program = parse_program(text);
  EXPECT_TRUE(program.ok()) << program.error().message;
  const Status status = verify_program(*program, check_compute_set);
  EXPECT_TRUE(status.ok()) << status.error().message;
  return program.take();
}

uint64_t cycles_of_vertex(const Program& program, size_t step, int64_t k) {
  const ComputeSet& set = program.supersteps[step].compute;
  return find_codelet(set.codelet)->cycles(vertex_shape(program, set, k), program.target).value;
}

TEST(Cost, a_program_that_is_not_verified_is_priced_within_limits) {
  const Program program = parsed();
  Limits limits;
  const Deadline deadline(limits);
  WorkLimit enough(limits, deadline);
  const auto cost = program_cost(program, enough);
  ASSERT_TRUE(cost.ok()) << cost.error().message;
  EXPECT_EQ(cost->total.value, program_cost(program).total.value);
  EXPECT_TRUE(program_memory(program, enough).ok());
  limits.comparisons = 1;
  WorkLimit little(limits, deadline);
  const auto refused = program_memory(program, little);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::Refused);
}

TEST(Cost, memory_by_tile_adds_up_to_the_report) {
  const Program program = parsed();
  const MemoryReport report = program_memory(program);
  const MemoryByTile memory = memory_by_tile(program);
  ASSERT_EQ(memory.at_peak.size(), report.peak_by_tile.size());
  for (size_t tile = 0; tile < memory.at_peak.size(); ++tile) {
    EXPECT_EQ(memory.at_peak[tile].total(), report.peak_by_tile[tile]);
    EXPECT_EQ(memory.at_peak[tile].always_live(), report.always_live_by_tile[tile]);
  }
  // y, from the step that writes it to the one that reads it.
  EXPECT_EQ(memory.lives[2].first, 0);
  EXPECT_EQ(memory.lives[2].last, 1);
  EXPECT_EQ(memory.at_peak[report.fullest.value].receive_buffers,
            (*memory.receive_buffers[static_cast<size_t>(
                memory.peak_step[report.fullest.value])])[report.fullest.value]);
}

TEST(Cost, a_multicast_is_received_by_each_and_sent_once) {
  const Program program = parsed();
  const SuperstepCost cost = superstep_cost(program, program.supersteps[0]);
  // 64 halves come to tiles 0, 1 and 2 as one message: 128 / (4 · 0.97), up, + 3.
  EXPECT_EQ(cost.exchange.value, 36u);
  EXPECT_EQ(cost.exchange_bytes, 3 * 128);
  EXPECT_EQ(cost.max_receive_bytes, 128);
  EXPECT_EQ(cost.messages, 3);
  EXPECT_EQ(exchange_loads(program, program.supersteps[0])[3].sent_bytes, 128);
}

TEST(Cost, what_lies_on_the_tile_does_not_travel) {
  const Program program = parsed();
  const SuperstepCost cost = superstep_cost(program, program.supersteps[1]);
  // Each tile wants [8,16] of y and has [2,16]: 3 messages of 64 bytes in two runs.
  EXPECT_EQ(cost.exchange.value, 50u + 3 * 3 * 2);
  EXPECT_EQ(cost.exchange_bytes, 4 * 192);
  EXPECT_EQ(cost.messages, 12);
}

TEST(Cost, a_superstep_pays_its_slowest_vertex_and_one_sync) {
  const Program program = parsed();
  const SuperstepCost cost = superstep_cost(program, program.supersteps[0]);
  EXPECT_EQ(cost.compute.value, cycles_of_vertex(program, 0, 0));
  EXPECT_EQ(cost.sync.value, 130u + 120u);
  EXPECT_EQ(cost.active_tiles, 4);
  EXPECT_EQ(cost.balance, 1.0);
}

TEST(Cost, balance_is_mean_over_max) {
  std::string text(kPricedProgram);
  for (std::string_view part : {"x: f16[8,64]", "y: f16[8,64]"})
    text.replace(text.find(part), part.size(), std::string(part, 0, 7) + "7,64]");
  text.replace(text.find("z: f16[64,8] = by [16,8]"), 24, "z: f16[64,7] = by [16,7]");
  const Program program = parsed(text);
  const double most = static_cast<double>(cycles_of_vertex(program, 0, 0));
  const double last = static_cast<double>(cycles_of_vertex(program, 0, 3));
  ASSERT_LT(last, most);
  EXPECT_DOUBLE_EQ(superstep_cost(program, program.supersteps[0]).balance,
                   (3 * most + last) / 4 / most);
}

TEST(Cost, a_batch_takes_its_supersteps_and_the_host) {
  const Program program = parsed();
  const ProgramCost cost = program_cost(program);
  ASSERT_EQ(cost.steps.size(), 2u);
  EXPECT_EQ(cost.exchange.value, 36u + 68u);
  EXPECT_EQ(cost.sync.value, 500u);
  EXPECT_EQ(cost.compute.value, cycles_of_vertex(program, 0, 0) + cycles_of_vertex(program, 1, 0));
  EXPECT_EQ(cost.total, cost.rearrange + cost.exchange + cost.sync + cost.compute);
  EXPECT_DOUBLE_EQ(cost.host_seconds, 200e-6 + 2048 / 32e9);
  EXPECT_DOUBLE_EQ(cost.seconds_per_batch,
                   static_cast<double>(cost.total.value) / 1.5e9 + cost.host_seconds);
}

TEST(Cost, the_host_starts_once_for_a_step_of_batches) {
  Program program = parsed();
  program.host.batches_per_step = 64;
  EXPECT_DOUBLE_EQ(program_cost(program).host_seconds, 200e-6 / 64 + 2048 / 32e9);
  program.host.prefetch = false;  // streams are filled, then sent
  EXPECT_DOUBLE_EQ(program_cost(program).host_seconds, 200e-6 / 64 + 2 * 2048 / 32e9);
}

TEST(Cost, io_tiles_hide_what_a_batch_has_time_for) {
  Program program = parsed();
  program.host = {.batches_per_step = 1000, .io_tiles = 2, .prefetch = true};
  const double copy = (2048.0 / 2 / 4 + 2 * 250) / 1.5e9;
  EXPECT_NEAR(program_cost(program).host_seconds, 200e-6 / 1000 + copy + 2048 / 32e9 / 1000, 1e-12);
  program.target.host_bytes_per_second = 1e6;  // a stream that lasts longer than the batch
  const ProgramCost slow = program_cost(program);
  EXPECT_NEAR(slow.seconds_per_batch, 200e-6 / 1000 + 2048 / 1e6, 1e-4);
}

TEST(Cost, half_the_clock_takes_twice_the_time) {
  Program program = parsed();
  const ProgramCost at_full = program_cost(program);
  program.target.clock_hz /= 2;
  const ProgramCost at_half = program_cost(program);
  EXPECT_EQ(at_half.total, at_full.total);
  EXPECT_NEAR(at_half.seconds_per_batch - at_half.host_seconds,
              2 * (at_full.seconds_per_batch - at_full.host_seconds), 1e-15);
}

TEST(Cost, fewer_bytes_a_cycle_are_never_faster) {
  Program program = parsed();
  uint64_t before = 0;
  for (const int64_t rate : {16, 8, 4, 2, 1}) {
    program.target.exchange_bytes_per_cycle = rate;
    const uint64_t total = program_cost(program).total.value;
    EXPECT_GE(total, before) << rate;
    before = total;
  }
}

TEST(Cost, more_bytes_are_never_cheaper) {
  Program program = parsed();
  RegionDim& columns = program.supersteps[1].exchange[0].region.dims[1];
  uint64_t before = 0;
  for (columns.size = 1; columns.size < 64; ++columns.size) {  // all 64 are fewer fragments
    const SuperstepCost cost = superstep_cost(program, program.supersteps[1]);
    EXPECT_GE(cost.exchange.value, before);
    before = cost.exchange.value;
  }
  EXPECT_GT(before, 0u);
}

// The exchange as it is defined, element by element.
std::vector<TileExchange> loads_by_element(const Program& program, const Transfer& transfer) {
  const Variable& variable = program.variables[static_cast<size_t>(transfer.region.variable)];
  const auto places = [](const Shape& view, const Box& box) {
    std::set<int64_t> all;
    for (int64_t at = 0; at < elements(view); ++at) {
      int64_t rest = at;
      bool inside = true;
      for (size_t d = view.size(); d-- > 0; rest /= view[d])
        inside = inside && rest % view[d] >= box[d].begin && rest % view[d] < box[d].end;
      if (inside) all.insert(at);
    }
    return all;
  };
  std::map<int64_t, int64_t> owner;
  for (int64_t k = 0; k < block_count(variable.mapping); ++k)
    for (int64_t at : places(variable.mapping.view, block_at(variable.mapping, k)))
      owner[at] = variable.mapping.first.value + k;

  std::vector<TileExchange> loads(static_cast<size_t>(program.target.tiles));
  std::map<std::set<int64_t>, std::set<int64_t>> senders;  // by box, the tiles that must send
  const int64_t bytes = size_of(variable.dtype);
  for (int64_t k = 0; k < vertex_count(transfer.grid); ++k) {
    const auto box =
        places(transfer.region.view, box_at(transfer.region, grid_position(transfer.grid, k)));
    const int64_t tile = transfer.grid.first.value + k;
    TileExchange& load = loads[static_cast<size_t>(tile)];
    std::set<int64_t> from;
    for (int64_t at : box)
      if (owner[at] != tile) from.insert(owner[at]), load.received_bytes += bytes;
    load.received_messages += static_cast<int64_t>(from.size());
    if (!from.empty()) load.buffer_bytes += static_cast<int64_t>(box.size()) * bytes;
    senders[box].insert(from.begin(), from.end());
  }
  for (const auto& [box, tiles] : senders)
    for (int64_t tile : tiles) {
      TileExchange& load = loads[static_cast<size_t>(tile)];
      ++load.sent_messages;
      for (int64_t at : box) load.sent_bytes += owner[at] == tile ? bytes : 0;
    }
  return loads;
}

class Exchange : public ::testing::TestWithParam<int> {};

TEST_P(Exchange, is_what_its_definition_says) {
  std::mt19937 random(static_cast<unsigned>(GetParam()));
  const auto draw = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  const std::vector<Shape> views = {
      {24},
      {4, 6},
      {6, 4},
      {2, 3, 4},
      {2, 12},
      {1, 24, 1}
  };
  const auto view = [&] { return views[static_cast<size_t>(draw(0, 5))]; };
  for (int round = 0; round < 50; ++round) {
    Program program = parsed();
    program.target.tiles = 40;
    Variable& variable = program.variables[0];
    variable.shape = {24};
    variable.mapping = {view(), {}, TileId{static_cast<uint32_t>(draw(0, 10))}};
    for (int64_t extent : variable.mapping.view) variable.mapping.block.push_back(draw(1, extent));
    Transfer transfer{
        {0, view(), {}},
        {{draw(1, 3), draw(1, 3)}, TileId{static_cast<uint32_t>(draw(0, 10))}}
    };
    for (int64_t extent : transfer.region.view) {
      RegionDim dim{static_cast<int32_t>(draw(-1, 1)), 0, 0, draw(1, extent)};
      if (dim.axis >= 0) dim.step = draw(0, (extent - 1) / 2);
      transfer.region.dims.push_back(dim);
    }
    program.supersteps[0].exchange = {transfer};
    const auto loads = exchange_loads(program, program.supersteps[0]);
    const auto expected = loads_by_element(program, transfer);
    for (size_t t = 0; t < loads.size(); ++t) {
      EXPECT_EQ(loads[t].received_bytes, expected[t].received_bytes) << t << print(program);
      EXPECT_EQ(loads[t].received_messages, expected[t].received_messages) << t << print(program);
      EXPECT_EQ(loads[t].sent_bytes, expected[t].sent_bytes) << t << print(program);
      EXPECT_EQ(loads[t].sent_messages, expected[t].sent_messages) << t << print(program);
      EXPECT_EQ(loads[t].buffer_bytes, expected[t].buffer_bytes) << t << print(program);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Exchange, ::testing::Range(0, 4));

// --- Memory ---

int64_t code(const Program& program) {
  int64_t bytes = 0;
  for (const Superstep& step : program.supersteps)
    bytes += find_codelet(step.compute.codelet)->code_bytes;
  return bytes;
}

int64_t state(const Program& program) {
  int64_t bytes = 0;
  for (const Superstep& step : program.supersteps)
    bytes +=
        find_codelet(step.compute.codelet)->state_bytes(vertex_shape(program, step.compute, 0));
  return bytes;
}

int64_t with_gaps(int64_t bytes) { return bytes + (bytes * 4 + 99) / 100; }

// The bytes of the runtime, the stacks, and two supersteps' control code.
constexpr int64_t kFixed = 17510 + 1843 + 2 * 100;

TEST(Memory, is_what_lives_at_each_superstep) {
  const Program program = parsed();
  const MemoryReport report = program_memory(program);
  // Tile 0 receives w as one run; then it sends three parts of y, of two runs each, and receives
  // three.
  const int64_t always = kFixed + code(program) + state(program) + (100 + 12) + (100 + 6 * 2 * 12);
  EXPECT_EQ(report.always_live_by_tile[0], always);
  // Superstep 0: 256 bytes of x and of y each, and w. Superstep 1: y, z, and the [8,16] of y.
  EXPECT_EQ(report.peak_by_tile[0], always + with_gaps(256 + 256 + 256));
  EXPECT_EQ(report.live_by_superstep, (std::vector<int64_t>{4 * 512 + 3 * 128, 4 * 768}));
  // Tile 3 has w for good.
  EXPECT_EQ(report.always_live_by_tile[3], always + 128);
  EXPECT_EQ(report.fullest, TileId{3});
  EXPECT_EQ(report.peak_superstep, "transpose");
  EXPECT_TRUE(report.fits);
}

TEST(Memory, names_the_largest_holders) {
  const MemoryReport report = program_memory(parsed());
  ASSERT_EQ(report.largest.size(), 5u);
  EXPECT_EQ(report.largest[0].what, "reserved for the runtime");
  EXPECT_EQ(report.largest[0].bytes, 17510);
  for (size_t i = 1; i < 5; ++i) EXPECT_GE(report.largest[i - 1].bytes, report.largest[i].bytes);
}

TEST(Memory, supersteps_that_differ_in_variables_alone_share_code_and_state) {
  std::string text(kPricedProgram);
  const std::string more =
      "  step again {\n    send w [*, *] to [4] at 0\n    elementwise on [4] at 0 domain=0 "
      "tape=[0,0,1,0] constants=[]\n    read y [g0*2:2, *]\n    read w [*, *]\n    write y2 "
      "[g0*2:2, *]\n  }\n";
  text.insert(text.find("  step transpose"), more);
  text.insert(text.find("  output z"), "  activation y2: f16[8,64] = by [2,64] at 0\n");
  EXPECT_EQ(program_memory(parsed(text)).always_live_by_tile,
            program_memory(parsed()).always_live_by_tile);
}

TEST(Memory, what_a_vertex_needs_beside_its_operands_lives_while_it_runs) {
  std::string text(kPricedProgram);
  text.insert(text.find("  inputs"), "  output a: f16[8,64] = by [2,64] at 0\n");
  text.replace(text.find("outputs z"), 9, "outputs z a");
  std::string region = "y as [4,2,1,64] [g0*1:1, *, *, *]";
  text.insert(text.rfind("}"),
              "  step attend {\n    attention on [4] at 0 scale=1 mask=0\n    read " + region +
                  "\n    read " + region + "\n    read " + region +
                  "\n    write a as [4,2,1,64] [g0*1:1, *, *, *]\n  }\n");
  const Program program = parsed(text);
  const int64_t temporary =
      find_codelet("attention")
          ->temporary_bytes(vertex_shape(program, program.supersteps[2].compute, 0));
  ASSERT_GT(temporary, 0);
  const int64_t arranged = 3 * 256;  // q, k and v as the matrix unit reads them
  EXPECT_EQ(program_memory(program).live_by_superstep[2], 4 * (3 * 256 + temporary + arranged));
}

TEST(Memory, inputs_live_from_the_start_and_outputs_to_the_end) {
  std::string text(kPricedProgram);
  text.replace(text.find("activation y"), 12, "output y");
  text.replace(text.find("outputs z"), 9, "outputs z y");
  std::string late = text;
  // y is read in the last superstep anyway; x, if read there too, is live to the end.
  late.replace(late.find("send y"), 6, "send x");
  late.replace(late.find("read y"), 6, "read x");
  EXPECT_EQ(program_memory(parsed(text)).live_by_superstep[1], 4 * (256 + 256 + 256));
  EXPECT_EQ(program_memory(parsed(late)).live_by_superstep[1], 4 * (256 + 256 + 256 + 256));
}

TEST(Memory, too_little_is_said_in_poplars_words) {
  Program program = parsed();
  program.target.bytes_per_tile = 20000;
  const MemoryReport report = program_memory(program);
  EXPECT_FALSE(report.fits);
  const Error error = out_of_memory_error(program, report);
  EXPECT_EQ(error.kind, ErrorKind::OutOfMemory);
  const std::string first = "Out of memory on tile 3: " + std::to_string(report.peak_by_tile[3]) +
                            " bytes used but tiles only have 20000 bytes of memory\n";
  EXPECT_THAT(error.message, StartsWith(first));
  EXPECT_THAT(error.message, HasSubstr("most is used in superstep 'transpose'"));
  EXPECT_THAT(error.message, HasSubstr("17510  reserved for the runtime"));
  EXPECT_THAT(error.message, HasSubstr("a smaller batch"));
  EXPECT_THAT(error.message, Not(HasSubstr("fp16"))) << "it is in halves already";
}

TEST(Memory, a_program_in_floats_is_advised_to_be_in_halves) {
  Program program = parsed();
  for (Variable& variable : program.variables) variable.dtype = DType::F32;
  EXPECT_THAT(out_of_memory_error(program, program_memory(program)).message,
              HasSubstr("--precision fp16"));
}

}  // namespace
}  // namespace tessera
