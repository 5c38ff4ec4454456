// SPDX-License-Identifier: Apache-2.0
// The ways of a session with a shape that it has no executable for; how it pads is in
// pad_policy_test.cpp.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <thread>

#include "tests/session/policy_fixture.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(Policy, warn_tells_and_allow_does_not) {
  for (const OnRecompile policy : {OnRecompile::Warn, OnRecompile::Allow}) {
    told_.clear();
    options_.on_recompile = policy;
    const auto session = open();
    run(*session, 2, 8);
    run(*session, 2, 9);
    EXPECT_THAT(kinds(*session), ElementsAre(EventKind::ColdCompile, EventKind::Recompile));
    EXPECT_EQ(told_.size(), policy == OnRecompile::Warn ? 2u : 0u);
  }
}

TEST_F(Policy, fail_makes_the_first_compile_and_refuses_the_next) {
  options_.on_recompile = OnRecompile::Fail;
  const auto session = open();
  run(*session, 2, 8);
  const Error refused = error(*session, shapes(2, 9));
  EXPECT_EQ(refused.kind, ErrorKind::Refused);
  EXPECT_THAT(refused.message,
              HasSubstr("input_ids axis 1 (seq) 8 -> 9 (attention_mask, token_type_ids too): has "
                        "no executable yet, and recompiles are refused"));
  error(*session, shapes(2, 9));
  run(*session, 2, 8);
  EXPECT_THAT(kinds(*session),
              ElementsAre(EventKind::ColdCompile, EventKind::Rejected, EventKind::Rejected));
  const RecompileEvent event = session->events()[1];
  EXPECT_EQ(event.cause(), Cause::InputShape);
  EXPECT_EQ(event.policy.stance, OnRecompile::Fail);
  EXPECT_EQ(event.policy.action, PolicyAction::Rejected);
  EXPECT_EQ(event.error, refused.message);
}

TEST_F(Policy, warm_up_compiles_whatever_the_policy) {
  options_.on_recompile = OnRecompile::Fail;
  options_.recompile_limit = 0;
  options_.warm_up = {shapes(2, 8), shapes(2, 9)};
  const auto session = open();
  EXPECT_THAT(kinds(*session), ElementsAre(EventKind::ColdCompile, EventKind::Recompile));
  EXPECT_EQ(session->events()[1].requests_blocked, 0);
  EXPECT_EQ(session->events()[1].request_id, -1);
  run(*session, 2, 9);
  EXPECT_EQ(error(*session, shapes(2, 7)).kind, ErrorKind::Refused);
}

TEST_F(Policy, what_the_disk_has_is_no_recompile) {
  options_.cache_dir = folder_ / "cache";
  run(*open(), 2, 8);
  options_.on_recompile = OnRecompile::Fail;
  const auto session = open();
  run(*session, 2, 8);
  EXPECT_THAT(kinds(*session), ElementsAre(EventKind::CacheLoad));
  EXPECT_EQ(error(*session, shapes(2, 9)).kind, ErrorKind::Refused)
      << "the disk knows the model: this is not a first compile";
}

TEST_F(Policy, a_limit_refuses_what_goes_past_it) {
  options_.recompile_limit = 1;
  const auto session = open();
  run(*session, 2, 8);
  run(*session, 2, 9);
  const Error refused = error(*session, shapes(2, 10));
  EXPECT_EQ(refused.kind, ErrorKind::Refused);
  EXPECT_THAT(refused.message, HasSubstr("the limit of 1 recompiles is reached"));
  const RecompileEvent event = session->events().back();
  EXPECT_EQ(event.cause(), Cause::Limit);
  EXPECT_THAT(event.causes, ElementsAre(Cause::Limit, Cause::InputShape));
  EXPECT_EQ(event.policy.budget, 1);
  EXPECT_EQ(event.policy.budget_used, 1);
}

TEST_F(Policy, closing_says_what_no_event_has_said) {
  {
    const auto session = open();
    for (int i = 0; i < 4; ++i) run(*session, 2, 8);
  }
  const auto events = read_events(options_.events_path);
  ASSERT_TRUE(events.ok()) << events.error().message;
  ASSERT_EQ(events->size(), 2u);
  EXPECT_EQ((*events)[1].kind, EventKind::Closed);
  EXPECT_THAT((*events)[1].served, ElementsAre(ServedShapes{shapes(2, 8), 3}));
}

TEST_F(Policy, callers_of_one_shape_share_a_compile_and_are_counted) {
  const auto session = open();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { run(*session, 2, 8); });
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(session->events().size(), 1u);
  const RecompileEvent event = session->events()[0];
  EXPECT_GE(event.requests_blocked, 1);
  EXPECT_LE(event.requests_blocked, 4);
  EXPECT_LE(event.blocked_ms, event.wall_ms * static_cast<double>(event.requests_blocked) * 1.01);
}

TEST_F(Policy, many_threads_of_many_shapes_get_their_own_answers) {
  options_.on_recompile = OnRecompile::Pad;
  options_.background = true;
  options_.warm_up = {shapes(4, 16)};
  options_.memory_entries = 3;
  std::map<int64_t, HostTensors> answers;
  for (int64_t length = 9; length < 13; ++length) answers[length] = exact(2, length);
  const auto session = open();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        const int64_t length = 9 + (i + t) % 4;
        EXPECT_LE(largest_difference(run(*session, 2, length), answers[length]), 1e-5);
      }
    });
  for (std::thread& thread : threads) thread.join();
}

TEST_F(Policy, counters_add_up) {
  options_.on_recompile = OnRecompile::Pad;
  options_.warm_up = {shapes(2, 8)};
  const auto session = open();
  for (const int64_t length : {8, 8, 6, 6, 9}) run(*session, 2, length);
  const std::string text = session->metrics();
  const std::string model = "{model=\"bert.onnx\"";
  for (const std::string& line : {
           "tessera_compiles_total" + model + ",cause=\"first_seen\"} 1\n",
           "tessera_recompiles_total" + model + ",cause=\"input_shape\"} 1\n",
           "tessera_compile_seconds_count" + model + "} 2\n",
           "tessera_cache_hits_total" + model + "} 4\n",
           "tessera_cache_misses_total" + model + "} 2\n",
           "tessera_distinct_shapes" + model + "} 3\n",
           "tessera_pad_tokens_total" + model + "} 8\n",
           "tessera_valid_tokens_total" + model + "} 74\n",
       })
    EXPECT_THAT(text, HasSubstr(line));
}

TEST_F(Policy, a_full_disk_costs_the_cache_and_not_the_answer) {
  options_.cache_dir = folder_ / "cache";
  const auto session = open();
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old = std::signal(SIGXFSZ, SIG_IGN);
  // No file grows past what the events need: what a full disk looks like to the cache.
  const rlimit full{20'000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  const HostTensors answer = run(*session, 2, 8);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old);
  EXPECT_FALSE(answer.empty());
  const RecompileEvent event = session->events().at(0);
  EXPECT_EQ(event.kind, EventKind::ColdCompile);
  EXPECT_EQ(event.error, "");
  EXPECT_THAT(event.cache.error, HasSubstr("cannot write"));
  EXPECT_EQ(event.cache.entries, 0);
  EXPECT_THAT(told_.back(), HasSubstr("cache: "));
  EXPECT_TRUE(std::filesystem::is_empty(options_.cache_dir + "/v1/writing"));
  EXPECT_EQ(read_events(options_.events_path)->size(), 1u);
}

TEST_F(Policy, events_that_cannot_be_written_cost_no_answer) {
  const auto session = open();
  const auto old = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit full{1, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  EXPECT_FALSE(run(*session, 2, 8).empty());
  EXPECT_FALSE(run(*session, 2, 9).empty());
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old);
  EXPECT_EQ(session->events().size(), 2u);
  EXPECT_EQ(std::ranges::count_if(
                told_, [](const std::string& line) { return line.find("events are lost") == 0; }),
            1);
}

TEST_F(Policy, a_cache_folder_that_cannot_be_made_is_told_of_and_done_without) {
  options_.cache_dir = "/proc/no/such/cache";
  const auto session = open();
  EXPECT_THAT(told_, ElementsAre(HasSubstr("no cache: ")));
  EXPECT_FALSE(run(*session, 2, 8).empty());
  EXPECT_THAT(session->events()[0].cache.error, HasSubstr("cannot create"));
}

}  // namespace
}  // namespace tessera
