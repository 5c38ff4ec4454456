// SPDX-License-Identifier: Apache-2.0
// The costs of links, syncs of IPUs and pipelines, against numbers worked by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codelets/codelet.h"
#include "cost/by_ipu.h"
#include "cost/cost.h"
#include "cost/links.h"
#include "cost/pipeline.h"
#include "cost/profile.h"
#include "program/boxes.h"
#include "program/text.h"
#include "program/verify.h"
#include "tests/helpers/ipu_programs.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Program verified(const std::string& text) {
  auto program = parse_program(text);
  EXPECT_TRUE(program.ok()) << program.error().message;
  const Status status = verify_program(*program, check_compute_set);
  EXPECT_TRUE(status.ok()) << status.error().message;
  return program.take();
}

// 2048 bytes go from IPU 0 to IPU 1.
Program over_one_link() {
  return verified(R"(program over {
  target testx2
  input x: f32[8,64] = by [2,64] at 0
  output y: f32[8,64] = by [2,64] at 4
  inputs x
  outputs y
  step over {
    send x [g0*2:2, *] to [4] at 4
    copy on [4] at 4 perm=[0,1] step=[1,1]
    read x [g0*2:2, *]
    write y [g0*2:2, *]
  }
})");
}

// All of IPU 0's 2048 bytes go to every tile of four IPUs.
Program to_everybody() {
  return verified(R"(program everybody {
  target testx4
  input x: f32[8,64] = by [2,64] at 0
  output y: f32[128,64] = by [8,64] at 0
  inputs x
  outputs y
  step all {
    send x [*, *] to [16] at 0
    copy on [16] at 0 perm=[0,1] step=[1,1]
    read x [*, *]
    write y [g0*8:8, *]
  }
})");
}

// Three stages; the mask of stage 0 is read by the last.
Program pipeline(int64_t batches) {
  Program program = verified(R"(program pipe {
  target testx4
  input x: f32[8,64] = by [2,64] at 0
  activation a: f32[8,64] = by [2,64] at 0
  activation b: f32[8,64] = by [2,64] at 4
  output c: f32[8,64] = by [2,64] at 8
  inputs x
  outputs c
  step first {
    copy on [4] at 0 perm=[0,1] step=[1,1]
    read x [g0*2:2, *]
    write a [g0*2:2, *]
  }
  step second stage 1 {
    send a [g0*2:2, *] to [4] at 4
    copy on [4] at 4 perm=[0,1] step=[1,1]
    read a [g0*2:2, *]
    write b [g0*2:2, *]
  }
  step third stage 2 {
    send a [g0*2:2, *] to [4] at 8
    send b [g0*2:2, *] to [4] at 8
    elementwise on [4] at 8 domain=0 tape=[0,0,1,0] constants=[]
    read a [g0*2:2, *]
    read b [g0*2:2, *]
    write c [g0*2:2, *]
  }
})");
  program.host.batches_per_step = batches;
  return program;
}

TEST(Links, carry_to_an_ipu_what_its_part_of_a_deal_wants) {
  const Program program = verified(std::string(kDealtProgram));
  const LinkLoad load = link_load(program, program.supersteps[0]);
  EXPECT_EQ(load.sent_bytes, 8 * 32 * 4);
  EXPECT_THAT(load.forward, ElementsAre(8 * 32 * 4, 0));
  EXPECT_THAT(load.backward, ElementsAre(0, 0));
  const ProgramCost cost = program_cost(program);
  const std::vector<IpuUse> uses = uses_of_ipus(program, cost, program_memory(program));
  for (const IpuUse& use : uses) EXPECT_EQ(use.supersteps, 1) << use.ipu;
  // Every tile has 256 bytes of y; those of IPU 0 hold 512 of x too.
  const MemoryReport memory = program_memory(program);
  for (size_t tile = 0; tile < 8; ++tile)
    EXPECT_EQ(bytes_on_tile(program.variables[1], TileId{static_cast<uint32_t>(tile)}), 256);
  EXPECT_GT(memory.peak_by_tile[0], memory.peak_by_tile[4]);
  const std::vector<std::vector<int64_t>> live = live_by_ipu(program, uses);
  for (size_t ipu = 0; ipu < 2; ++ipu) EXPECT_EQ(live[ipu].at(0), uses[ipu].peak_bytes);
}

TEST(Links, a_byte_takes_its_share_of_the_links_and_a_hop) {
  const Program program = over_one_link();
  const LinkLoad load = link_load(program, program.supersteps[0]);
  EXPECT_EQ(load.sent_bytes, 2048);
  EXPECT_THAT(load.forward, ElementsAre(2048, 0));
  EXPECT_THAT(load.backward, ElementsAre(0, 0));
  EXPECT_EQ(load.hops, 1);
  // 4 links of 16 GB/s at 85 %: 37.6 ns, and 15 ns for the hop, at 1.5 GHz.
  EXPECT_EQ(neighbour_bytes_per_second(program.target), 4 * 16e9 * 0.85);
  EXPECT_EQ(link_cycles(load, program.target).value, 79u);
  // There and back again.
  EXPECT_EQ(ipu_sync_cycles(program.target).value, 45u);
}

TEST(Links, a_ring_carries_what_many_want_once) {
  const Program program = to_everybody();
  const LinkLoad load = link_load(program, program.supersteps[0]);
  EXPECT_EQ(load.sent_bytes, 3 * 2048);
  EXPECT_THAT(load.forward, ElementsAre(2048, 2048, 0, 0));
  EXPECT_THAT(load.backward, ElementsAre(2048, 0, 0, 0));
  EXPECT_EQ(load.hops, 2);
  EXPECT_EQ(neighbour_bytes_per_second(program.target), 2 * 16e9 * 0.85)
      << "two neighbours share the links";
}

TEST(Links, are_part_of_the_exchange_and_the_sync) {
  const Program program = over_one_link();
  const SuperstepCost cost = superstep_cost(program, program.supersteps[0]);
  EXPECT_EQ(cost.links.value, 79u);
  EXPECT_EQ(cost.link_bytes, 2048);
  EXPECT_EQ(cost.sync.value, 130u + 120u + 45u);
  // A tile receives 512 bytes at 3.88 bytes a cycle, in a fragment of 3 cycles.
  EXPECT_EQ(cost.exchange.value, 132u + 3u + 79u);
  uint64_t slowest = 0;
  for (const TileCycles& tile : cycles_by_tile(program, program.supersteps[0]))
    slowest = std::max(slowest, tile.exchange.value);
  EXPECT_EQ(slowest, cost.exchange.value);
}

TEST(Links, keep_the_tiles_busy_of_the_ipus_that_use_them) {
  // IPU 0 sends to IPU 1; IPUs 2 and 3 take no part.
  const Program program = pipeline(8);
  const std::vector<TileCycles> tiles = cycles_by_tile(program, program.supersteps[1]);
  const uint64_t links = superstep_cost(program, program.supersteps[1]).links.value;
  ASSERT_GT(links, 0u);
  ASSERT_EQ(tiles.size(), 16u);
  for (size_t tile = 0; tile < 8; ++tile) EXPECT_GE(tiles[tile].exchange.value, links) << tile;
  for (size_t tile = 8; tile < 16; ++tile) EXPECT_EQ(tiles[tile].exchange.value, 0u) << tile;
}

TEST(Links, are_used_by_who_hands_on_too) {
  LinkLoad load{
      .sent_bytes = 8, .forward = {8, 8, 0, 0, 0},
           .backward = {0, 0, 0, 0, 0},
           .hops = 2
  };
  std::vector<bool> used;
  for (int64_t ipu = 0; ipu < 5; ++ipu) used.push_back(uses_links(load, ipu));
  EXPECT_THAT(used, ElementsAre(true, true, true, false, false));
  EXPECT_FALSE(uses_links({}, 0));
}

TEST(Rearrange, is_on_the_ipus_that_compute_alone) {
  // The matrix unit reads columns in groups, and the rows of x lie as they came.
  const Program program = verified(R"(program arranged {
  target testx2
  input x: f32[1,16,32] = by [1,4,32] at 4
  constant w: f32[1,32,16] = by [1,32,16] at 4 data 0
  output y: f32[1,16,16] = by [1,4,16] at 4
  inputs x
  outputs y
  step multiply {
    send w [*, *, *] to [4] at 4
    matmul on [4] at 4 bias=0 residual=0 activation=0
    read x [*, g0*4:4, *]
    read w [*, *, *]
    write y [*, g0*4:4, *]
  }
})");
  const uint64_t all = superstep_cost(program, program.supersteps[0]).rearrange.value;
  ASSERT_GT(all, 0u);
  const std::vector<TileCycles> tiles = cycles_by_tile(program, program.supersteps[0]);
  for (size_t tile = 0; tile < 4; ++tile) EXPECT_EQ(tiles[tile].rearrange.value, 0u) << tile;
  for (size_t tile = 4; tile < 8; ++tile) EXPECT_EQ(tiles[tile].rearrange.value, all) << tile;
}

TEST(Links, cost_nothing_where_nothing_leaves_an_ipu) {
  Program program = over_one_link();
  for (Variable& variable : program.variables) variable.mapping.first = TileId{0};
  program.supersteps[0].exchange.clear();
  program.supersteps[0].compute.grid.first = TileId{0};
  ASSERT_TRUE(verify_program(program, check_compute_set).ok());
  const SuperstepCost cost = superstep_cost(program, program.supersteps[0]);
  EXPECT_EQ(cost.links.value, 0u);
  EXPECT_EQ(cost.sync.value, 130u + 120u);
}

TEST(Links, that_are_faster_or_nearer_are_never_slower) {
  for (const Program& program : {over_one_link(), to_everybody()}) {
    const double seconds = program_cost(program).seconds_per_batch;
    const auto with = [&](auto change) {
      Program other = program;
      change(other.target);
      return program_cost(other).seconds_per_batch;
    };
    EXPECT_LT(with([](Target& t) { t.link_bytes_per_second *= 2; }), seconds);
    EXPECT_LT(with([](Target& t) { t.links *= 2; }), seconds);
    EXPECT_LT(with([](Target& t) { t.link_hop_seconds /= 2; }), seconds);
    EXPECT_LT(with([](Target& t) { t.clock_hz *= 1.2; }), seconds);
    EXPECT_LT(with([](Target& t) { t.host_bytes_per_second *= 2; }), seconds);
  }
}

TEST(Links, of_a_file_may_carry_next_to_nothing) {
  Program program = over_one_link();
  program.target.link_bytes_per_second = 1e-300;
  EXPECT_EQ(superstep_cost(program, program.supersteps[0]).links.value, uint64_t(1e18));
}

TEST(Pipeline, a_tick_is_the_slowest_stage_and_the_busiest_links) {
  const Program program = pipeline(8);
  const ProgramCost cost = program_cost(program);
  const PipelineCost ticks = pipeline_cost(program, cost.steps);
  ASSERT_EQ(ticks.stages.size(), 3u);
  uint64_t work = 0, links = 0;
  for (size_t s = 0; s < 3; ++s) {
    const SuperstepCost& step = cost.steps[s];
    const uint64_t all = (step.compute + step.exchange + step.sync + step.rearrange).value;
    EXPECT_EQ(ticks.stages[s].ipu, static_cast<int64_t>(s));
    EXPECT_EQ(ticks.stages[s].work.value + ticks.stages[s].links.value, all);
    work = std::max(work, ticks.stages[s].work.value);
    links = std::max(links, step.links.value);
  }
  EXPECT_EQ(ticks.stages[0].links.value, 0u);
  EXPECT_EQ(ticks.tick.value, work + links + ipu_sync_cycles(program.target).value);
}

TEST(Pipeline, fills_and_drains_once_an_engine_run) {
  const Program program = pipeline(8);
  const ProgramCost cost = program_cost(program);
  const double tick =
      static_cast<double>(pipeline_cost(program, cost.steps).tick.value) / program.target.clock_hz;
  EXPECT_DOUBLE_EQ(cost.seconds_per_batch, tick * 10 / 8 + cost.host_seconds);
  EXPECT_DOUBLE_EQ(cost.latency_seconds, tick * 3 + cost.host_seconds);
  const double more = program_cost(pipeline(64)).seconds_per_batch;
  EXPECT_LT(more, cost.seconds_per_batch);
}

TEST(Pipeline, one_batch_at_a_time_is_not_faster_than_without) {
  Program none = pipeline(1);
  const double with = program_cost(none).seconds_per_batch;
  for (Superstep& step : none.supersteps) step.stage = 0;
  EXPECT_GE(with, program_cost(none).seconds_per_batch);
}

TEST(Pipeline, what_a_later_stage_reads_is_stashed_for_every_batch_between) {
  const Program program = pipeline(8);
  EXPECT_THAT(stashed_copies(program), ElementsAre(1, 3, 2, 1));
  Program none = program;
  for (Superstep& step : none.supersteps) step.stage = 0;
  EXPECT_THAT(stashed_copies(none), ElementsAre(1, 1, 1, 1));
  const MemoryReport stashed = program_memory(program), plain = program_memory(none);
  // a is 512 bytes a tile; its input lives in the first superstep alone.
  EXPECT_EQ(stashed.always_live_by_tile, plain.always_live_by_tile);
  EXPECT_EQ(stashed.peak_by_tile[0] - plain.peak_by_tile[0], 2 * 512 + (2 * 512 * 4 + 99) / 100);
  EXPECT_GT(stashed.peak_by_tile[4], plain.peak_by_tile[4]);
  EXPECT_EQ(stashed.peak_by_tile[12], plain.peak_by_tile[12]) << "an IPU that has no stage";
}

TEST(ByIpu, memory_and_cycles_are_those_of_its_tiles) {
  const Program program = pipeline(8);
  const ProgramCost cost = program_cost(program);
  const MemoryReport memory = program_memory(program);
  const std::vector<IpuUse> uses = uses_of_ipus(program, cost, memory);
  ASSERT_EQ(uses.size(), 4u);
  uint64_t cycles = 0;
  int64_t most = 0;
  for (const IpuUse& use : uses) {
    EXPECT_EQ(program.target.ipu_of(use.fullest.value), use.ipu);
    cycles += use.cycles.value;
    most = std::max(most, use.peak_bytes);
  }
  EXPECT_EQ(cycles, cost.total.value);
  EXPECT_EQ(most, memory.peak_by_tile[memory.fullest.value]);
  EXPECT_EQ(uses[3].supersteps, 0);
}

TEST(ByIpu, a_profile_has_a_list_of_ipus_in_each_step) {
  const Program program = pipeline(8);
  const ProgramCost cost = program_cost(program);
  const MemoryReport memory = program_memory(program);
  const auto profile = profile_json({program, cost, memory}, 1);
  const auto& target = profile["compilation"]["target"];
  EXPECT_EQ(target["numIPUs"], 4);
  EXPECT_EQ(target["tilesPerIpu"], 4);
  EXPECT_EQ(target["numTiles"], 16);
  const auto& ipus = profile["execution"]["steps"][1]["ipus"];
  ASSERT_EQ(ipus.size(), 4u);
  EXPECT_EQ(ipus[0]["cycles"], 0);
  EXPECT_EQ(ipus[1]["linkBytes"], 2048);
  EXPECT_EQ(ipus[1]["computeSetCyclesByTile"].size(), 4u);
}

TEST(ByIpu, a_tile_without_room_is_named_with_its_ipu) {
  Program program = pipeline(8);
  program.target.bytes_per_tile = 20'000;
  const MemoryReport memory = program_memory(program);
  ASSERT_FALSE(memory.fits);
  const std::string message = out_of_memory_error(program, memory).message;
  EXPECT_THAT(message, HasSubstr("Out of memory on tile " + std::to_string(memory.fullest.value)));
  EXPECT_THAT(message, HasSubstr("on IPU " + std::to_string(memory.fullest.value / 4) + " of 4"));
}

}  // namespace
}  // namespace tessera
