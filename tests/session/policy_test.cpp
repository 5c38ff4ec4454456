// SPDX-License-Identifier: Apache-2.0
// The ways of a session with a shape that it has no executable for.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <random>
#include <thread>

#include "tests/session/session_fixture.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A batch of token ids, owned; some tokens at the end of some rows are masked.
struct Batch {
  std::map<std::string, std::vector<int64_t>> values;
  Shape shape;

  Batch(int64_t rows, int64_t length) : shape{rows, length} {
    std::mt19937 random(static_cast<unsigned>(rows * 1000 + length));
    const auto n = static_cast<size_t>(rows * length);
    for (const char* name : {"attention_mask", "input_ids", "token_type_ids"})
      values[name].resize(n, 1);
    for (size_t i = 0; i < n; ++i) {
      values["input_ids"][i] = static_cast<int64_t>(random() % 100);
      values["token_type_ids"][i] = static_cast<int64_t>(random() % 2);
      const bool last_of_row = (i + 1) % static_cast<size_t>(length) == 0;
      if (last_of_row && length > 1)
        values["attention_mask"][i] = static_cast<int64_t>(random() % 2);
    }
  }
  InputViews views() const {
    InputViews views;
    for (const auto& [name, numbers] : values)
      views.emplace(name, InputView{DType::I32, true, shape, std::as_bytes(std::span(numbers))});
    return views;
  }
};

class Policy : public SessionTest {
 protected:
  static HostTensors run(Session& session, int64_t rows, int64_t length) {
    const Batch batch(rows, length);
    auto outputs = session.run(batch.views());
    EXPECT_TRUE(outputs.ok()) << outputs.error().message;
    return outputs.ok() ? outputs.take() : HostTensors();
  }
  static Error error(Session& session, const InputShapes& shapes) {
    const auto serving = session.serve(shapes);
    EXPECT_FALSE(serving.ok());
    return serving.ok() ? Error() : serving.error();
  }
  static std::vector<EventKind> kinds(const Session& session) {
    std::vector<EventKind> kinds;
    for (const RecompileEvent& event : session.events()) kinds.push_back(event.kind);
    return kinds;
  }
  // The answer of an executable of exactly this shape.
  HostTensors exact(int64_t rows, int64_t length) {
    SessionOptions options = options_;
    options.on_recompile = OnRecompile::Allow;
    options.events_path = "";
    options.warm_up = {};
    const auto session = Session::open(model_, options).take();
    return run(*session, rows, length);
  }
  static double largest_difference(const HostTensors& a, const HostTensors& b) {
    double largest = a.size() == b.size() ? 0 : 1e9;
    for (const auto& [name, tensor] : a) {
      const auto other = b.find(name);
      if (other == b.end() || other->second.shape != tensor.shape) return 1e9;
      if (tensor.dtype != DType::F32 || other->second.dtype != DType::F32) return 1e9;
      for (size_t i = 0; i + 4 <= tensor.bytes.size(); i += 4) {
        float x, y;
        std::memcpy(&x, tensor.bytes.data() + i, 4);
        std::memcpy(&y, other->second.bytes.data() + i, 4);
        largest = std::max<double>(largest, std::abs(x - y));
      }
    }
    return largest;
  }
};

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

TEST_F(Policy, pad_runs_on_the_nearest_larger_and_answers_in_the_callers_shape) {
  options_.on_recompile = OnRecompile::Pad;
  options_.warm_up = {shapes(4, 16), shapes(4, 12), shapes(8, 32)};
  const auto session = open();
  for (const auto& [rows, length] : {
           std::pair(4, 9), {1, 16},
             {3, 13},
             {4, 9 },
             {5, 12}
  }) {
    const HostTensors padded = run(*session, rows, length);
    EXPECT_LE(largest_difference(padded, exact(rows, length)), 1e-5) << rows << " " << length;
  }
  const std::vector<RecompileEvent> events = session->events();
  ASSERT_EQ(events.size(), 8u);
  const std::vector<InputShapes> larger = {shapes(4, 12), shapes(4, 16), shapes(4, 16),
                                           shapes(4, 12), shapes(8, 32)};
  for (size_t i = 0; i < larger.size(); ++i) {
    EXPECT_EQ(events[3 + i].kind, EventKind::BucketHit);
    EXPECT_EQ(events[3 + i].policy.action, PolicyAction::PaddedTo);
    EXPECT_EQ(events[3 + i].policy.padded_to, larger[i]) << i;
    EXPECT_EQ(events[3 + i].request_id, static_cast<int64_t>(i));
  }
  EXPECT_THAT(told_.back(), HasSubstr("padded to input_ids [8,32]"));
}

TEST_F(Policy, pad_agrees_in_half_precision_up_to_its_rounding) {
  options_.on_recompile = OnRecompile::Pad;
  options_.compile.precision = Precision::Fp16;
  options_.warm_up = {shapes(4, 16)};
  const auto session = open();
  const HostTensors padded = run(*session, 2, 11);
  EXPECT_EQ(padded.at("start_logits").shape, (Shape{2, 11}));
  EXPECT_LE(largest_difference(padded, exact(2, 11)), 0.01);
}

TEST_F(Policy, pad_compiles_where_nothing_is_large_enough) {
  options_.on_recompile = OnRecompile::Pad;
  const auto session = open();
  run(*session, 2, 8);
  run(*session, 2, 9);
  run(*session, 1, 9);
  EXPECT_THAT(kinds(*session),
              ElementsAre(EventKind::ColdCompile, EventKind::Recompile, EventKind::BucketHit));
  EXPECT_EQ(session->events()[1].policy.why_not_padded,
            "no executable has as many rows and tokens");
}

TEST_F(Policy, pad_takes_a_larger_one_from_the_disk) {
  options_.cache_dir = folder_ / "cache";
  run(*open(), 4, 16);
  options_.on_recompile = OnRecompile::Pad;
  const auto session = open();
  run(*session, 2, 9);
  EXPECT_THAT(kinds(*session), ElementsAre(EventKind::CacheLoad, EventKind::BucketHit));
}

TEST_F(Policy, pad_refuses_a_model_for_which_it_is_not_exact) {
  options_.on_recompile = OnRecompile::Pad;
  options_.compile.skip_passes = {"fuse_attention"};  // then nothing proves what the mask means
  const auto session = open();
  run(*session, 2, 8);
  const Error refused = error(*session, shapes(2, 7));
  EXPECT_EQ(refused.kind, ErrorKind::Refused);
  EXPECT_THAT(refused.message, HasSubstr("padding would not be exact: "));
  EXPECT_THAT(session->events().back().policy.why_not_padded, Not(IsEmpty()));
}

TEST_F(Policy, a_runner_for_exactly_these_shapes_is_compiled_under_pad) {
  options_.on_recompile = OnRecompile::Pad;
  options_.warm_up = {shapes(4, 16)};
  const auto session = open();
  runner(*session, shapes(4, 9));
  EXPECT_THAT(kinds(*session), ElementsAre(EventKind::ColdCompile, EventKind::Recompile));
}

TEST_F(Policy, padded_input_of_a_wrong_size_is_named) {
  options_.on_recompile = OnRecompile::Pad;
  options_.warm_up = {shapes(4, 16)};
  const auto session = open();
  const Batch batch(2, 9);
  InputViews views = batch.views();
  views.at("input_ids").bytes = views.at("input_ids").bytes.first(8);
  const auto outputs = session->run(views);
  ASSERT_FALSE(outputs.ok());
  EXPECT_EQ(outputs.error().message, "input_ids: has 8 bytes, must have 144");
}

TEST_F(Policy, a_row_that_its_mask_hides_is_not_padded) {
  options_.on_recompile = OnRecompile::Pad;
  options_.warm_up = {shapes(4, 16)};
  const auto session = open();
  Batch batch(2, 9);
  std::fill_n(batch.values["attention_mask"].begin() + 9, 9, 0);
  const auto outputs = session->run(batch.views());
  ASSERT_FALSE(outputs.ok());
  EXPECT_EQ(
      outputs.error().message,
      "attention_mask: row 1 has no token, must have a token that the model sees to be padded");
}

TEST_F(Policy, the_exact_executable_is_compiled_in_the_background) {
  options_.on_recompile = OnRecompile::Pad;
  options_.background = true;
  options_.warm_up = {shapes(4, 16)};
  const auto session = open();
  run(*session, 2, 9);
  session->finish_background();
  run(*session, 2, 9);
  EXPECT_THAT(kinds(*session),
              ElementsAre(EventKind::ColdCompile, EventKind::BucketHit, EventKind::Recompile));
  const RecompileEvent event = session->events()[2];
  EXPECT_EQ(event.request_id, -1);
  EXPECT_EQ(event.requests_blocked, 0);
  EXPECT_EQ(event.policy.budget_used, 1);
}

TEST_F(Policy, the_background_stays_within_the_limit) {
  options_.on_recompile = OnRecompile::Pad;
  options_.background = true;
  options_.recompile_limit = 1;
  options_.warm_up = {shapes(4, 16)};
  const auto session = open();
  for (int64_t length : {9, 10, 11}) {
    run(*session, 2, length);
    session->finish_background();
  }
  EXPECT_THAT(kinds(*session),
              ElementsAre(EventKind::ColdCompile, EventKind::BucketHit, EventKind::Recompile,
                          EventKind::BucketHit, EventKind::BucketHit));
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
