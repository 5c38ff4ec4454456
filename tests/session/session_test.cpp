// SPDX-License-Identifier: Apache-2.0
// A session over a real, tiny model: what compiles, when, and what it leaves behind.
#include "session/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "tests/session/session_fixture.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

TEST_F(SessionTest, a_required_signature_is_refused_for_a_session_makes_its_own_executables) {
  options_.machine.require_signature = PublicKey{};
  const auto session = Session::open(model_, options_);
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.error().kind, ErrorKind::Usage);
  EXPECT_NE(session.error().message.find("require_signature"), std::string::npos);
}

TEST_F(SessionTest, a_new_shape_compiles_and_a_known_one_does_not) {
  const auto session = open();
  const auto first = runner(*session, shapes(2, 8));
  EXPECT_EQ(runner(*session, shapes(2, 8)), first);
  EXPECT_EQ(session->events().size(), 1u);
  EXPECT_NE(runner(*session, shapes(2, 9)), first);
  EXPECT_EQ(runner(*session, shapes(2, 8)), first);
  const std::vector<RecompileEvent> events = session->events();
  ASSERT_EQ(events.size(), 2u);

  EXPECT_EQ(events[0].kind, EventKind::ColdCompile);
  EXPECT_EQ(events[0].cause(), Cause::FirstSeen);
  EXPECT_EQ(events[0].nearest, -1);
  EXPECT_EQ(events[0].shapes, shapes(2, 8));
  EXPECT_EQ(events[0].model, "bert.onnx");
  EXPECT_EQ(events[0].model_sha256, first->executable().metadata.source_sha256);

  EXPECT_EQ(events[1].id, 1);
  EXPECT_EQ(events[1].kind, EventKind::Recompile);
  EXPECT_EQ(events[1].cause(), Cause::InputShape);
  EXPECT_EQ(events[1].nearest, 0);
  ASSERT_EQ(events[1].difference.size(), 3u);
  EXPECT_EQ(events[1].difference[1], (ShapeDifference{"input_ids", 1, "seq", 8, 9}));
  EXPECT_EQ(events[1].requests_blocked, 1);
}

// On a busy host a compile may wait between its phases, so one of a few is asked for.
TEST_F(SessionTest, an_event_has_the_price_by_phase) {
  const auto session = open();
  double largest_share = 0;
  for (const int64_t length : {8, 9, 10, 11, 12}) {
    runner(*session, shapes(2, length));
    const RecompileEvent event = session->events().back();
    double sum = 0;
    std::vector<std::string> names;
    for (const auto& [name, ms] : event.phase_ms) {
      sum += ms;
      names.push_back(name);
    }
    EXPECT_THAT(names, ::testing::IsSupersetOf({"import", "lengths", "passes", "lower", "load"}));
    EXPECT_GT(sum, 0);
    EXPECT_LE(sum, event.wall_ms * 1.001);
    largest_share = std::max(largest_share, sum / event.wall_ms);
    if (largest_share > 0.5) break;
  }
  EXPECT_GT(largest_share, 0.5) << "the phases are most of it";
}

TEST_F(SessionTest, the_file_holds_every_event) {
  const auto session = open();
  runner(*session, shapes(2, 8));
  runner(*session, shapes(3, 8));
  const auto events = read_events(options_.events_path);
  ASSERT_TRUE(events.ok()) << events.error().message;
  EXPECT_EQ(*events, session->events());
}

TEST_F(SessionTest, a_compile_that_fails_leaves_an_event_and_is_nobodys_nearest) {
  const auto session = open();
  const InputShapes bad = {
      {"input_ids", {2, 8, 8}}
  };
  const auto failed = session->runner(bad);
  ASSERT_FALSE(failed.ok());
  runner(*session, shapes(2, 8));
  const std::vector<RecompileEvent> events = session->events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].error, failed.error().message);
  EXPECT_EQ(events[1].kind, EventKind::ColdCompile);
  EXPECT_EQ(events[1].error, "");
}

TEST_F(SessionTest, a_model_too_large_for_its_tiles_says_so_in_its_event) {
  options_.compile.target.bytes_per_tile = options_.compile.target.reserved_bytes + 2000;
  const auto session = open();
  const auto failed = session->runner(shapes(2, 8));
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().kind, ErrorKind::OutOfMemory);
  EXPECT_THAT(session->events().at(0).error, HasSubstr("Out of memory on tile "));
}

TEST_F(SessionTest, threads_that_want_one_new_shape_share_one_compile) {
  const auto session = open();
  std::vector<std::shared_ptr<ModelRunner>> runners(4);
  std::vector<std::thread> threads;
  for (auto& mine : runners) threads.emplace_back([&] { mine = runner(*session, shapes(2, 8)); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& mine : runners) EXPECT_EQ(mine, runners[0]);
  ASSERT_EQ(session->events().size(), 1u);
  EXPECT_GE(session->events()[0].requests_blocked, 1);
  EXPECT_LE(session->events()[0].requests_blocked, 4);
}

// Token ids below the tiny vocabulary; everything else 1, so that no row is without a key.
std::vector<std::vector<std::byte>> run(ModelRunner& runner) {
  const Program& program = runner.executable().program;
  std::vector<std::vector<std::byte>> in, out;
  for (VariableId id : program.inputs) {
    const Variable& v = program.variables[static_cast<size_t>(id)];
    std::vector<int32_t> values(static_cast<size_t>(elements(v.shape)), 1);
    if (v.name == "input_ids") {
      for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int32_t>(i * 37 % 100);
    }
    const auto bytes = std::as_bytes(std::span(values));
    in.emplace_back(bytes.begin(), bytes.end());
  }
  for (VariableId id : program.outputs) {
    out.emplace_back(static_cast<size_t>(program.variables[static_cast<size_t>(id)].bytes()));
  }
  const std::vector<std::span<const std::byte>> inputs(in.begin(), in.end());
  const std::vector<std::span<std::byte>> outputs(out.begin(), out.end());
  const Status status = runner.machine().run(inputs, outputs);
  EXPECT_TRUE(status.ok()) << status.error().message;
  return out;
}

struct Compiled {
  const char* name;
  Precision precision;
  bool unpack, mask;  // packing forms A and B
};
void PrintTo(const Compiled& compiled, std::ostream* out) { *out << compiled.name; }

class EveryCompile : public SessionTest, public ::testing::WithParamInterface<Compiled> {};

TEST_P(EveryCompile, runs_to_the_same_bytes_on_tiles_that_share_nothing) {
  options_.compile.precision = GetParam().precision;
  if (GetParam().unpack) options_.compile.pack_args = PackArgs{5, 8};
  if (GetParam().mask) options_.compile.passes = {"insert_attention_mask"};
  const auto direct = runner(*open(), shapes(3, 8));
  options_.machine.kind = MachineKind::Isolated;
  options_.machine.reverse_tiles = true;
  const auto isolated = runner(*open(), shapes(3, 8));
  EXPECT_EQ(run(*isolated), run(*direct));
  const std::vector<int64_t> moved = isolated->machine().exchanged_bytes();
  const ProgramCost& cost = isolated->machine().cost();
  ASSERT_EQ(moved.size(), cost.steps.size());
  for (size_t s = 0; s < moved.size(); ++s) {
    EXPECT_EQ(moved[s], cost.steps[s].exchange_bytes)
        << isolated->executable().program.supersteps[s].name;
  }
}

INSTANTIATE_TEST_SUITE_P(, EveryCompile,
                         ::testing::Values(Compiled{"fp32", Precision::Fp32, false, false},
                                           Compiled{"fp16", Precision::Fp16, false, false},
                                           Compiled{"fp32_unpacked", Precision::Fp32, true, false},
                                           Compiled{"fp16_masked", Precision::Fp16, false, true}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_F(SessionTest, a_missing_model_is_refused_when_it_opens) {
  const auto session = Session::open(folder_ / "none.onnx", options_);
  ASSERT_FALSE(session.ok());
  EXPECT_THAT(session.error().message, HasSubstr("none.onnx"));
}

}  // namespace
}  // namespace tessera
