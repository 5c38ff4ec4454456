// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "cost/by_ipu.h"
#include "cost/inspection.h"
#include "cost/pipeline.h"
#include "tests/helpers/ipu_programs.h"
#include "tests/helpers/small_program.h"
#include "tests/helpers/tiny_executable.h"
#include "tests/trace/seen_trace.h"
#include "trace/modelled.h"

namespace tessera {
namespace {

struct Traced {
  explicit Traced(Executable of)
      : executable(std::move(of)),
        cost(program_cost(executable.program)),
        memory(program_memory(executable.program)) {}
  std::string bytes() const {
    TrackEvents events;
    add_modelled(events, {executable.program, cost, memory});
    return events.bytes();
  }
  Executable executable;
  ProgramCost cost;
  MemoryReport memory;
};

int64_t cycles_of(const SeenTrack& track, size_t depth = 0) {
  int64_t sum = 0;
  for (const SeenSlice& slice : track.slices)
    if (slice.depth == depth) sum += slice.notes.at("cycles").whole;
  return sum;
}

TEST(ModelledTrace, cycles_sum_up_to_what_inspect_says) {
  const Traced traced(tiny_executable(kPricedProgram));
  const SeenTrace seen = see_trace(traced.bytes());
  const auto json = inspection_json(traced.executable, {}, traced.cost, traced.memory)["cycles"];
  for (const char* part : {"compute", "exchange", "sync"})
    EXPECT_EQ(cycles_of(seen.only(part)), json[part].get<int64_t>()) << part;
  for (const size_t depth : {0u, 1u})
    EXPECT_EQ(cycles_of(seen.only("operations"), depth), json["total"].get<int64_t>()) << depth;
  EXPECT_EQ(cycles_of(seen.only("rearrange")), static_cast<int64_t>(traced.cost.rearrange.value));
}

TEST(ModelledTrace, time_is_cycles_at_the_targets_clock_and_then_the_hosts_part) {
  const Traced traced(tiny_executable(kPricedProgram));
  const SeenTrace seen = see_trace(traced.bytes());
  const SeenTrack& operations = seen.only("operations");
  EXPECT_EQ(seen.processes, std::set<std::string>{"modelled IPU (test)"});
  EXPECT_EQ(operations.slices.front().begin, 0);
  const double hz = traced.executable.program.target.clock_hz;
  const auto total = static_cast<double>(traced.cost.total.value);
  const SeenSlice& host = seen.only("host I/O").slices.at(0);
  EXPECT_EQ(host.begin, static_cast<int64_t>(total * 1e9 / hz));
  EXPECT_NEAR(static_cast<double>(host.end), traced.cost.seconds_per_batch * 1e9, 1.5);
  EXPECT_EQ(operations.slices.back().end, host.begin);
}

TEST(ModelledTrace, a_superstep_says_what_it_is_and_its_parts_lie_in_it) {
  const Traced traced(tiny_executable(kPricedProgram));
  const SeenTrace seen = see_trace(traced.bytes());
  const SeenTrack& operations = seen.only("operations");
  ASSERT_EQ(operations.slices.size(), 4u) << "two operations of a superstep each";
  const SeenSlice& add = operations.slices[1];
  EXPECT_EQ(add.name, "add");
  EXPECT_EQ(add.depth, 1u);
  EXPECT_EQ(add.notes.at("codelet").texts.at(0), "elementwise");
  EXPECT_EQ(add.notes.at("bytes").whole, 3 * 128);
  for (const char* part : {"sync", "exchange", "compute"}) {
    const SeenSlice& slice = seen.only(part).slices.at(0);
    EXPECT_GE(slice.begin, add.begin) << part;
    EXPECT_LE(slice.end, add.end) << part;
    EXPECT_EQ(slice.notes.at("op").texts.at(0), "add");
  }
  EXPECT_EQ(seen.only("exchange").slices[0].notes.at("messages").whole, 3);
  EXPECT_EQ(seen.only("compute").slices[0].notes.at("vertices").whole, 4);
  EXPECT_EQ(seen.only("compute").slices[0].notes.at("balance").real, 1.0);
}

TEST(ModelledTrace, supersteps_of_the_same_nodes_are_one_operation) {
  Traced traced(tiny_executable(kPricedProgram));
  for (Superstep& step : traced.executable.program.supersteps) step.origin = {"Add 0", "Add 1"};
  SeenTrace seen = see_trace(traced.bytes());
  EXPECT_EQ(seen.only("operations").slices.size(), 3u);
  EXPECT_EQ(seen.only("operations").slices[0].name, "Add 0 … Add 1 (2)");
  EXPECT_EQ(seen.only("operations").slices[0].notes.at("onnx_nodes").texts.size(), 2u);
  traced.executable.program.supersteps[1].origin = {"Transpose 2"};
  seen = see_trace(traced.bytes());
  EXPECT_EQ(seen.only("operations").slices.size(), 4u);
}

TEST(ModelledTrace, memory_is_counted_at_every_superstep) {
  const Traced traced(tiny_executable(kPricedProgram));
  const SeenTrace seen = see_trace(traced.bytes());
  const MemoryReport& memory = traced.memory;
  const auto& fullest =
      seen.only("live memory, tile " + std::to_string(memory.fullest.value) + " (fullest)").values;
  const auto& all = seen.only("live memory, all tiles").values;
  ASSERT_EQ(fullest.size(), 3u) << "one each, and the last again where it ends";
  int64_t peak = 0;
  for (const auto& [at, bytes] : fullest) peak = std::max(peak, bytes);
  EXPECT_EQ(peak, memory.peak_by_tile[memory.fullest.value]);
  const int64_t always = std::accumulate(memory.always_live_by_tile.begin(),
                                         memory.always_live_by_tile.end(), int64_t{0});
  for (size_t i = 0; i < 2; ++i)
    EXPECT_EQ(all.at(i).second, always + memory.live_by_superstep[i]) << i;
}

TEST(ModelledTrace, names_that_an_executable_may_hold_stay_plain_text) {
  Traced traced(tiny_executable(kPricedProgram));
  Superstep& step = traced.executable.program.supersteps[0];
  step.origin = {"in\u202e\xff\x1b]0;t\x07", "</script>"};
  step.name = "a\nb\xed\xa0\x80";
  const SeenTrace seen = see_trace(traced.bytes());
  EXPECT_EQ(seen.only("operations").slices[1].name, "a\\nb\\xed\\xa0\\x80");
  EXPECT_EQ(seen.only("operations").slices[1].notes.at("onnx_nodes").texts.at(1), "</script>");
}

TEST(ModelledTrace, a_clock_of_any_speed_gives_times_in_order) {
  for (const double hz : {1e15, 1.0, 1e-9, 1e-300}) {
    Traced traced(tiny_executable(kPricedProgram));
    traced.executable.program.target.clock_hz = hz;
    traced.cost.host_seconds = hz < 1 ? 1e300 : 0;
    const SeenTrace seen = see_trace(traced.bytes());
    EXPECT_EQ(seen.only("operations").slices.size(), 4u) << hz;
  }
}

TEST(ModelledTrace, the_same_executable_gives_the_same_bytes) {
  EXPECT_EQ(Traced(tiny_executable(kPricedProgram)).bytes(),
            Traced(tiny_executable(kPricedProgram)).bytes());
}

std::string without_stages(std::string_view text) {
  std::string plain(text);
  plain.erase(plain.find(" stage 1"), std::string_view(" stage 1").size());
  return plain;
}

TEST(ModelledTrace, each_ipu_has_a_process_for_what_it_does) {
  const Traced traced(tiny_executable(without_stages(kPipedProgram)));
  const SeenTrace seen = see_trace(traced.bytes());
  EXPECT_EQ(seen.processes,
            (std::set<std::string>{"modelled IPUs (testx2)", "IPU 0 of 2", "IPU 1 of 2"}));
  int64_t cycles = 0;
  for (const SeenTrack* track : seen.named("compute")) {
    ASSERT_EQ(track->slices.size(), 1u);
    EXPECT_EQ(track->slices[0].name, track->process == "IPU 0 of 2" ? "make" : "over");
    cycles += cycles_of(*track);
  }
  EXPECT_EQ(cycles, static_cast<int64_t>(traced.cost.compute.value));
  EXPECT_EQ(cycles_of(seen.only("operations")), static_cast<int64_t>(traced.cost.total.value));
  for (const SeenTrack* track : seen.named("exchange"))
    for (const SeenSlice& slice : track->slices) {
      EXPECT_EQ(slice.notes.at("link_cycles").whole, static_cast<int64_t>(traced.cost.links.value));
      EXPECT_EQ(slice.notes.at("link_bytes").whole, 2048);
    }
  // Each IPU's fullest tile, up to its peak.
  for (int64_t ipu = 0; ipu < 2; ++ipu) {
    int64_t peak = 0;
    for (const SeenTrack& track : seen.tracks)
      if (track.counter && track.process == "IPU " + std::to_string(ipu) + " of 2")
        for (const auto& [at, bytes] : track.values) peak = std::max(peak, bytes);
    EXPECT_EQ(peak, uses_of_ipus(traced.executable.program, traced.cost,
                                 traced.memory)[static_cast<size_t>(ipu)]
                        .peak_bytes);
  }
}

TEST(ModelledTrace, a_pipeline_fills_and_drains) {
  const Traced traced(tiny_executable(kPipedProgram));
  const SeenTrace seen = see_trace(traced.bytes());
  const Program& program = traced.executable.program;
  const PipelineCost pipeline = pipeline_cost(program, traced.cost.steps);
  const auto at_tick = [&](int64_t tick) {
    return static_cast<int64_t>(static_cast<double>(tick) *
                                static_cast<double>(pipeline.tick.value) * 1e9 /
                                program.target.clock_hz);
  };
  const std::vector<const SeenTrack*> stages = seen.named("stages");
  ASSERT_EQ(stages.size(), 2u);
  for (const SeenTrack* track : stages) {
    const int64_t stage = track->process == "IPU 0 of 2" ? 0 : 1;
    ASSERT_EQ(track->slices.size(), 3u);
    for (int64_t batch = 0; batch < 3; ++batch) {
      const SeenSlice& slice = track->slices[static_cast<size_t>(batch)];
      EXPECT_EQ(slice.name, "batch " + std::to_string(batch));
      EXPECT_EQ(slice.begin, at_tick(batch + stage));
      EXPECT_EQ(slice.notes.at("stage").whole, stage);
    }
  }
  EXPECT_EQ(seen.only("operations").slices.back().begin, at_tick(1));
  EXPECT_EQ(seen.only("host I/O").slices.at(0).begin, at_tick(2));
}

}  // namespace
}  // namespace tessera
