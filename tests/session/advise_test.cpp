// SPDX-License-Identifier: Apache-2.0
// Advice against what it claims: buckets against every choice of buckets, promised seconds against
// a session that does what was advised.
#include "session/advise.h"

#include <gmock/gmock.h>

#include <fstream>
#include <functional>
#include <random>

#include "executor/batch_runner.h"
#include "executor/packing/offline.h"
#include "session/buckets.h"
#include "session/event_log.h"
#include "tests/session/session_fixture.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The least padded tokens of any `most` lengths that include the longest.
int64_t least_by_trying(const BatchesByLength& batches, size_t most) {
  std::vector<int64_t> lengths;
  for (const auto& [length, count] : batches) lengths.push_back(length);
  int64_t least = INT64_MAX;
  for (uint32_t subset = 0; subset < (1u << (lengths.size() - 1)); ++subset) {
    std::vector<int64_t> buckets;
    for (size_t i = 0; i + 1 < lengths.size(); ++i)
      if (subset >> i & 1) buckets.push_back(lengths[i]);
    buckets.push_back(lengths.back());
    if (buckets.size() <= most) least = std::min(least, padded_tokens(batches, buckets));
  }
  return least;
}

TEST(Buckets, none_waste_less) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    BatchesByLength batches;
    for (size_t i = 0, n = 1 + random() % 9; i < n; ++i)
      batches[1 + random() % 40] += 1 + random() % 9;
    for (size_t most = 1; most <= 5; ++most) {
      const std::vector<int64_t> buckets = fit_buckets(batches, static_cast<int64_t>(most));
      EXPECT_LE(buckets.size(), most);
      EXPECT_EQ(padded_tokens(batches, buckets), least_by_trying(batches, most)) << round;
    }
  }
}

TEST(Buckets, of_nothing_are_none_and_of_everything_waste_nothing) {
  EXPECT_THAT(fit_buckets({}, 3), IsEmpty());
  const BatchesByLength batches = {
      {3, 5},
      {7, 1},
      {9, 2}
  };
  EXPECT_THAT(fit_buckets(batches, 9), ElementsAre(3, 7, 9));
  EXPECT_THAT(fit_buckets(batches, 1), ElementsAre(9));
}

TEST(Buckets, of_thousands_of_lengths_are_close) {
  BatchesByLength batches;
  for (int64_t length = 1; length <= 5000; ++length) batches[length] = 1;
  const std::vector<int64_t> buckets = fit_buckets(batches, 4);
  ASSERT_EQ(buckets.size(), 4u);
  EXPECT_EQ(buckets.back(), 5000);
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(buckets[i], 1250 * (i + 1), 20);
}

// A log written by hand: batches of these lengths, each compiled for.
class Log {
 public:
  RecompileEvent& compile(int64_t rows, int64_t length, double seconds,
                          const std::string& cause = "input_shape") {
    RecompileEvent event;
    event.model = "bert.onnx";
    event.kind = events.empty() ? "cold_compile" : "recompile";
    event.cause = events.empty() ? "first_seen" : cause;
    event.causes = {event.cause};
    event.shapes = {
        {"input_ids", {rows, length}}
    };
    event.key.total = std::to_string(rows) + "x" + std::to_string(length) + cause;
    event.wall_ms = seconds * 1e3;
    event.requests_blocked = 1;
    event.blocked_ms = seconds * 1e3;
    event.request_id = std::ssize(events);
    event.run_id = "one";
    events.push_back(event);
    return events.back();
  }
  Advice advice() const {
    const std::vector<Advice> all = advise(events);
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? Advice() : all[0];
  }
  std::vector<RecompileEvent> events;
};

const ServingOption& option(const Advice& advice, const std::string& name) {
  for (const ServingOption& one : advice.options)
    if (one.name == name) return one;
  ADD_FAILURE() << "no option " << name;
  return advice.options.at(0);
}
const CompileSlip* slip(const Advice& advice, const std::string& rule) {
  for (const CompileSlip& one : advice.slips)
    if (one.rule == rule) return &one;
  return nullptr;
}

TEST(Advise, seconds_are_those_of_the_line_through_the_log) {
  Log log;
  log.compile(4, 10, 9);  // the first pays 5 more
  for (const int64_t length : {20, 30, 40})
    log.compile(4, length, 3 + 0.1 * static_cast<double>(length));
  const Advice advice = log.advice();
  EXPECT_DOUBLE_EQ(advice.compile_seconds, 9 + 5 + 6 + 7);
  EXPECT_NEAR(option(advice, "pad to one shape").compile_seconds, 7 + 5, 1e-9);
  EXPECT_NEAR(option(advice, "pad to one shape").saved_seconds, 27 - 12, 1e-9);
  EXPECT_NEAR(option(advice, "2 fitted buckets").compile_seconds, 7 + 5 + 5, 1e-9);
  EXPECT_DOUBLE_EQ(option(advice, "pad to one shape").useful_share, 100.0 / 160);
  EXPECT_DOUBLE_EQ(option(advice, "2 fitted buckets").useful_share, 100.0 / 120);
  EXPECT_DOUBLE_EQ(option(advice, "as in the log").useful_share, 1);
}

TEST(Advise, batches_without_an_event_of_their_own_count) {
  Log log;
  log.compile(2, 10, 1);
  log.compile(2, 20, 1).served = {
      {{{"input_ids", {2, 10}}}, 8}
  };
  const Advice advice = log.advice();
  EXPECT_EQ(advice.batches, 10);
  EXPECT_DOUBLE_EQ(option(advice, "pad to one shape").useful_share, (9 * 10 + 20) / 200.0);
}

TEST(Advise, packing_fills_rows_with_requests) {
  Log log;
  log.compile(4, 30, 1);
  log.compile(4, 70, 1);
  const ServingOption packing = option(log.advice(), "packing");
  EXPECT_EQ(packing.executables, 1);
  // Four rows of 70, then four of 30 two to a row: six rows, in two batches of four.
  EXPECT_DOUBLE_EQ(packing.useful_share, 400.0 / (2 * 4 * 70));
  EXPECT_EQ(packing.command,
            "tessera compile --input_model bert.onnx --input_shape input_ids=4,70 --passes "
            "insert_attention_mask -o packed.popef && tessera run packed.popef --policy lpfhp "
            "--requests FOLDER --outputs FOLDER");
}

TEST(Advise, commands_carry_the_flags_of_the_log) {
  Log log;
  log.compile(4, 30, 1);
  RecompileEvent& last = log.compile(4, 70, 1);
  last.options = "precision fp16\npartials_type half\navailable_memory_proportion 0.6\npasses \n";
  last.target = "test tiles=4";
  EXPECT_EQ(option(log.advice(), "pad to one shape").command,
            "tessera run bert.onnx --precision fp16 --target test --on-recompile pad "
            "--recompile-limit 0 --warm-up input_ids=4,70");
}

TEST(Advise, slips_are_named_and_priced) {
  Log log;
  log.compile(4, 10, 1);
  log.compile(4, 10, 2, "input_dtype").changes = {
      {"inputs", "input_ids", "int64", "int32"}
  };
  log.compile(4, 10, 3, "options").changes = {
      {"options", "precision", "fp16", "fp32"}
  };
  log.compile(4, 10, 4, "evicted").artifact.bytes = 800;
  log.compile(3, 10, 5).difference = {
      {"input_ids", 0, "batch", 4, 3}
  };
  const Advice advice = log.advice();
  ASSERT_TRUE(slip(advice, "dtype"));
  EXPECT_EQ(slip(advice, "dtype")->seconds, 2);
  EXPECT_EQ(slip(advice, "dtype")->command, "tessera run bert.onnx --on-recompile fail");
  EXPECT_EQ(slip(advice, "option")->command, "tessera run bert.onnx --on-recompile fail");
  EXPECT_THAT(slip(advice, "dtype")->text, HasSubstr("input_ids int64 -> int32"));
  ASSERT_TRUE(slip(advice, "option"));
  EXPECT_EQ(slip(advice, "option")->seconds, 3);
  ASSERT_TRUE(slip(advice, "cache_too_small"));
  EXPECT_EQ(slip(advice, "cache_too_small")->seconds, 4);
  EXPECT_EQ(slip(advice, "cache_too_small")->command, "tessera run bert.onnx --memory-entries 5");
  ASSERT_TRUE(slip(advice, "partial_batch"));
  EXPECT_EQ(slip(advice, "partial_batch")->seconds, 5);
  EXPECT_FALSE(slip(advice, "no_cache"));
  EXPECT_FALSE(slip(advice, "baked_constant"));
}

TEST(Advise, a_disk_that_was_too_small_is_told_its_size) {
  Log log;
  log.compile(4, 10, 1).artifact.bytes = 800;
  RecompileEvent& gone = log.compile(4, 20, 0);
  gone.kind = "evicted";
  gone.cache.tier = "disk";
  log.compile(4, 10, 1, "evicted").artifact.bytes = 800;
  EXPECT_EQ(slip(log.advice(), "cache_too_small")->command,
            "tessera run bert.onnx --cache-limit 1800");
}

TEST(Advise, processes_that_compile_the_same_are_told_of_the_cache) {
  Log log;
  log.compile(4, 10, 1);
  log.events.push_back(log.events[0]);
  log.events[1].run_id = "two";
  const Advice advice = log.advice();
  ASSERT_TRUE(slip(advice, "no_cache"));
  EXPECT_EQ(slip(advice, "no_cache")->seconds, 1);
  EXPECT_THAT(slip(advice, "no_cache")->command, HasSubstr("--cache-dir"));
}

TEST(Advise, every_model_has_its_own) {
  Log log;
  log.compile(4, 10, 1);
  log.compile(4, 20, 1).model = "other.onnx";
  EXPECT_EQ(advise(log.events).size(), 2u);
  EXPECT_THAT(advise({}), IsEmpty());
}

TEST(Advise, inputs_that_are_no_batches_of_tokens_have_no_options) {
  Log log;
  log.compile(4, 10, 1).shapes = {
      {"image", {1, 3, 224, 224}}
  };
  EXPECT_THAT(log.advice().options, IsEmpty());
}

// SQuAD 1.1 at 384, as published: four buckets fitted to it use 0.835 of their tokens, eight 0.911,
// padding 0.448; a row of packed requests 0.976.
TEST(Advise, shares_of_a_published_histogram) {
  const char* given = std::getenv("TESSERA_SHARED");
  std::ifstream file(std::string(given ? given : TESSERA_SOURCE_DIR "/../shared") +
                     "/data/length_histogram_squad_1_1_384.csv");
  if (!file) GTEST_SKIP() << "the shared folder is not here";
  Log log;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    const int64_t length = std::stoll(line), count = std::stoll(line.substr(line.find(',') + 1));
    if (count == 0) continue;
    log.compile(1, length, 27.6).served = {
        {{{"input_ids", {1, length}}}, count - 1}
    };
  }
  const Advice advice = log.advice();
  EXPECT_EQ(advice.batches, 88641);
  EXPECT_EQ(option(advice, "as in the log").executables, 348);
  EXPECT_NEAR(option(advice, "as in the log").compile_seconds, 9605, 1);
  EXPECT_NEAR(option(advice, "pad to one shape").useful_share, 0.448, 5e-4);
  EXPECT_NEAR(option(advice, "4 fitted buckets").useful_share, 0.835, 5e-4);
  EXPECT_EQ(option(advice, "4 fitted buckets").shapes[0].at("input_ids"), (Shape{1, 146}));
  EXPECT_NEAR(option(advice, "8 fitted buckets").useful_share, 0.911, 5e-4);
  EXPECT_GE(option(advice, "packing").useful_share, 0.976);
  EXPECT_EQ(advice.options[static_cast<size_t>(advice.recommended)].name, "packing");
}

class Replay : public SessionTest {
 protected:
  // The log of a session that serves batches of these lengths.
  std::vector<RecompileEvent> serve(const std::vector<int64_t>& lengths) {
    std::filesystem::remove(options_.events_path);
    {
      const auto session = open();
      for (const int64_t length : lengths)
        EXPECT_TRUE(session->serve(shapes(4, length)).ok()) << length;
    }
    return read_events(options_.events_path).take();
  }
};

struct Replayed {
  int64_t compiles = 0, asked = 0, computed = 0;
  double seconds = 0;
};

Replayed sum_of(const std::vector<RecompileEvent>& log) {
  Replayed sum;
  const auto count = [&](const InputShapes& batch, const InputShapes& larger, int64_t times) {
    sum.asked += times * elements_of(batch);
    sum.computed += times * elements_of(larger);
  };
  for (const RecompileEvent& event : log) {
    for (const ServedShapes& served : event.served)
      count(served.shapes, served.shapes, served.batches);
    if (event.kind == "bucket_hit") count(event.shapes, event.policy.padded_to, 1);
    if (!event.is_compile()) continue;
    ++sum.compiles;
    sum.seconds += event.wall_ms / 1e3;
  }
  return sum;
}

// How far a promise is from what came of it. A machine with other work may slow one of the two: the
// best of three counts.
double best_of_three(const std::function<double()>& error) {
  double best = error();
  for (int attempt = 1; attempt < 3 && best > 0.1; ++attempt) best = std::min(best, error());
  return best;
}

double error_of(double promised, double saved) { return std::abs(promised - saved) / saved; }

std::vector<int64_t> many_lengths() {
  std::vector<int64_t> lengths;
  for (int64_t length = 5; length <= 60; ++length) lengths.push_back(length);
  for (const int64_t length : {9, 9, 20, 31}) lengths.push_back(length);
  return lengths;
}

TEST_F(Replay, the_promised_saving_is_what_a_replay_saves) {
  const std::vector<int64_t> lengths = many_lengths();
  runner(*open(), shapes(4, 4));  // codelets are compiled: what follows is the same each time
  const SessionOptions plain = options_;
  EXPECT_LE(
      best_of_three([&] {
        options_ = plain;
        const Advice advice = advise(serve(lengths)).at(0);
        EXPECT_EQ(advice.batches, std::ssize(lengths));
        double worst = 0;
        for (const char* name : {"pad to one shape", "2 fitted buckets", "3 fitted buckets"}) {
          const ServingOption& advised = option(advice, name);
          options_.on_recompile = OnRecompile::Pad;
          options_.recompile_limit = 0;
          options_.warm_up = advised.shapes;
          const Replayed replayed = sum_of(serve(lengths));
          EXPECT_EQ(replayed.compiles, advised.executables) << name;
          EXPECT_NEAR(static_cast<double>(replayed.asked) / static_cast<double>(replayed.computed),
                      advised.useful_share, 1e-9)
              << name;
          worst = std::max(
              worst, error_of(advised.saved_seconds, advice.compile_seconds - replayed.seconds));
        }
        return worst;
      }),
      0.1);
}

// Every row of the log's batches is a request; they are packed as the advised command does.
TEST_F(Replay, packing_saves_what_was_promised) {
  const std::vector<int64_t> lengths = many_lengths();
  std::vector<int64_t> requests;
  for (const int64_t length : lengths) requests.insert(requests.end(), 4, length);
  runner(*open(), shapes(4, 4));
  const SessionOptions plain = options_;
  EXPECT_LE(best_of_three([&] {
              options_ = plain;
              const Advice advice = advise(serve(lengths)).at(0);
              const ServingOption& advised = option(advice, "packing");
              std::filesystem::remove(options_.events_path);
              options_.compile.passes = {"insert_attention_mask"};
              const auto session = open();
              const auto packed = runner(*session, advised.shapes.at(0));
              const Replayed replayed = sum_of(read_events(options_.events_path).take());
              EXPECT_EQ(replayed.compiles, advised.executables);

              const PackingContract contract =
                  request_contract(packed->executable().metadata).take();
              const auto batches = pack_offline(contract, PackPolicy::Lpfhp, requests).take();
              int64_t useful = 0;
              for (const int64_t length : requests) useful += length;
              const double share = static_cast<double>(useful) /
                                   static_cast<double>(std::ssize(batches) * row_tokens(contract));
              EXPECT_DOUBLE_EQ(share, advised.useful_share);
              return error_of(advised.saved_seconds, advice.compile_seconds - replayed.seconds);
            }),
            0.1);
}

TEST_F(Replay, a_larger_cache_saves_what_was_promised) {
  std::vector<int64_t> lengths;
  for (int round = 0; round < 6; ++round) lengths.insert(lengths.end(), {20, 30, 40});
  runner(*open(), shapes(4, 4));
  const SessionOptions plain = options_;
  EXPECT_LE(best_of_three([&] {
              options_ = plain;
              options_.memory_entries = 1;
              const Advice advice = advise(serve(lengths)).at(0);
              const CompileSlip* small = slip(advice, "cache_too_small");
              EXPECT_TRUE(small);
              if (!small) return 1.0;
              EXPECT_EQ(small->command, "tessera run bert.onnx --memory-entries 3");
              options_.memory_entries = 3;
              const Replayed replayed = sum_of(serve(lengths));
              EXPECT_EQ(replayed.compiles, 3);
              return error_of(small->seconds, advice.compile_seconds - replayed.seconds);
            }),
            0.1);
}

// A second process compiles for another precision what the first left in the cache.
TEST_F(Replay, a_slip_that_is_refused_saves_what_was_promised) {
  runner(*open(), shapes(4, 4));
  const std::string cache = folder_ + "/cache";
  const SessionOptions plain = options_;
  const auto both = [&](OnRecompile second) {
    std::filesystem::remove_all(cache);
    std::filesystem::remove(plain.events_path);
    for (const Precision precision : {Precision::Fp32, Precision::Fp16}) {
      options_ = plain;
      options_.cache_dir = cache;
      options_.compile.precision = precision;
      options_.on_recompile = precision == Precision::Fp16 ? second : OnRecompile::Allow;
      const auto session = open();
      for (int64_t length = 20; length < 30; ++length)
        EXPECT_EQ(session->serve(shapes(4, length)).ok(),
                  options_.on_recompile != OnRecompile::Fail);
    }
    return read_events(plain.events_path).take();
  };
  EXPECT_LE(best_of_three([&] {
              const Advice advice = advise(both(OnRecompile::Allow)).at(0);
              const CompileSlip* option = slip(advice, "option");
              EXPECT_TRUE(option);
              if (!option) return 1.0;
              EXPECT_EQ(option->command, "tessera run bert.onnx --on-recompile fail");
              const Replayed replayed = sum_of(both(OnRecompile::Fail));
              EXPECT_EQ(replayed.compiles, 10);
              return error_of(option->seconds, advice.compile_seconds - replayed.seconds);
            }),
            0.1);
}

}  // namespace
}  // namespace tessera
