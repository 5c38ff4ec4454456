// SPDX-License-Identifier: Apache-2.0
// Advice against what it claims: buckets against every choice of buckets, seconds against logs
// written by hand. tests/session/replay_test.cpp does what was advised.
#include "session/advise.h"

#include <gmock/gmock.h>

#include <fstream>
#include <random>

#include "session/buckets.h"
#include "tests/helpers/paths.h"
#include "tests/session/named_advice.h"

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
    if (buckets.size() <= most)
      least = std::min(least, static_cast<int64_t>(padded_tokens(batches, buckets)));
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
      EXPECT_EQ(static_cast<int64_t>(padded_tokens(batches, buckets)),
                least_by_trying(batches, most))
          << round;
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
                          Cause cause = Cause::InputShape) {
    RecompileEvent event;
    event.model = "bert.onnx";
    event.kind = events.empty() ? EventKind::ColdCompile : EventKind::Recompile;
    event.causes = {events.empty() ? Cause::FirstSeen : cause};
    event.shapes = {
        {"input_ids", {rows, length}}
    };
    event.key.total =
        std::to_string(rows) + "x" + std::to_string(length) + std::string(to_string(cause));
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

// The tokens of these counts wrap around to INT64_MAX, which once meant that there was no such
// choice.
TEST(Buckets, of_counts_past_all_measure_are_chosen_all_the_same) {
  const BatchesByLength batches = {
      {7,  1317624576693539401},
      {11, 4551793992214045204}
  };
  EXPECT_THAT(fit_buckets(batches, 2), ElementsAre(7, 11));
  EXPECT_GT(padded_tokens(batches, {7, 11}), 5.9e19);
}

TEST(Advise, a_log_may_say_any_number) {
  Log log;
  log.compile(1, 7, 1).served = {
      {{{"input_ids", {1, 7}}},                               INT64_MAX},
      {{{"input_ids", {int64_t{1} << 20, int64_t{1} << 20}}}, INT64_MAX},
      {{{"input_ids", {1, 11}}},                              INT64_MAX}
  };
  log.compile(1, 11, 1).artifact.bytes = INT64_MAX;
  RecompileEvent& evicted = log.compile(1, 11, 1, Cause::Evicted);
  evicted.key.total = "other";
  evicted.artifact.bytes = INT64_MAX;
  log.compile(int64_t{1} << 40, 1, 1);
  log.compile(1, int64_t{1} << 40, 1);
  const Advice advice = log.advice();
  EXPECT_EQ(advice.batches, int64_t{1} << 53);
  EXPECT_GT(option(advice, "pad to one shape").compile_seconds, 0);
  for (const ServingOption& one : advice.options) EXPECT_NE(one.name, "packing");
}

// A histogram of such lengths would take 16 TiB.
TEST(Advise, lengths_that_no_request_has_are_not_packed) {
  Log log;
  log.compile(1, int64_t{1} << 39, 1);
  log.compile(1, 12, 1);
  const Advice advice = log.advice();
  ASSERT_FALSE(advice.options.empty());
  for (const ServingOption& one : advice.options) EXPECT_NE(one.name, "packing");
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
            "tessera run bert.onnx --precision fp16 --target test --on_recompile pad "
            "--recompile_limit 0 --warm_up input_ids=4,70");
}

TEST(Advise, slips_are_named_and_priced) {
  Log log;
  log.compile(4, 10, 1);
  log.compile(4, 10, 2, Cause::InputDtype).changes = {
      {Ingredient::Inputs, "input_ids", "int64", "int32"}
  };
  log.compile(4, 10, 3, Cause::Options).changes = {
      {Ingredient::Options, "precision", "fp16", "fp32"}
  };
  log.compile(4, 10, 4, Cause::Evicted).artifact.bytes = 800;
  log.compile(3, 10, 5).difference = {
      {"input_ids", 0, "batch", 4, 3}
  };
  const Advice advice = log.advice();
  ASSERT_TRUE(slip(advice, AdviceRule::DtypeSlip));
  EXPECT_EQ(slip(advice, AdviceRule::DtypeSlip)->seconds, 2);
  EXPECT_EQ(slip(advice, AdviceRule::DtypeSlip)->command, "tessera run bert.onnx");
  EXPECT_EQ(slip(advice, AdviceRule::OptionSlip)->command, "tessera run bert.onnx");
  EXPECT_THAT(slip(advice, AdviceRule::DtypeSlip)->text, HasSubstr("input_ids int64 -> int32"));
  ASSERT_TRUE(slip(advice, AdviceRule::OptionSlip));
  EXPECT_EQ(slip(advice, AdviceRule::OptionSlip)->seconds, 3);
  ASSERT_TRUE(slip(advice, AdviceRule::CacheTooSmall));
  EXPECT_EQ(slip(advice, AdviceRule::CacheTooSmall)->seconds, 4);
  EXPECT_EQ(slip(advice, AdviceRule::CacheTooSmall)->command,
            "tessera run bert.onnx --memory_entries 5");
  ASSERT_TRUE(slip(advice, AdviceRule::PartialBatch));
  EXPECT_EQ(slip(advice, AdviceRule::PartialBatch)->seconds, 5);
  // Five keys: each slip's own compile goes; the larger cache keeps all; and padding computes four
  // rows where three are asked for.
  EXPECT_EQ(slip(advice, AdviceRule::DtypeSlip)->executables, 4);
  EXPECT_EQ(slip(advice, AdviceRule::CacheTooSmall)->executables, 5);
  EXPECT_EQ(slip(advice, AdviceRule::PartialBatch)->executables, 4);
  EXPECT_EQ(slip(advice, AdviceRule::DtypeSlip)->useful_share, 1);
  EXPECT_DOUBLE_EQ(slip(advice, AdviceRule::PartialBatch)->useful_share, 190.0 / 200);
  EXPECT_FALSE(slip(advice, AdviceRule::NoCache));
  EXPECT_FALSE(slip(advice, AdviceRule::BakedConstant));
}

TEST(Advise, a_disk_that_was_too_small_is_told_its_size) {
  Log log;
  log.compile(4, 10, 1).artifact.bytes = 800;
  RecompileEvent& gone = log.compile(4, 20, 0);
  gone.kind = EventKind::Evicted;
  gone.cache.tier = CacheTier::Disk;
  log.compile(4, 10, 1, Cause::Evicted).artifact.bytes = 800;
  EXPECT_EQ(slip(log.advice(), AdviceRule::CacheTooSmall)->command,
            "tessera run bert.onnx --cache_limit 1800");
}

// Seconds after the first event.
void set_begin(RecompileEvent& event, double seconds) {
  event.ts_unix_ns = static_cast<int64_t>(seconds * 1e9);
}

// A compile of 5 s: 1 s to import, 1 s to verify, 1 s to load.
void set_phases(RecompileEvent& event) {
  event.phase_ms = {
      {"import", 1000},
      {"verify", 1000},
      {"load",   1000}
  };
}

TEST(Advise, processes_that_compile_the_same_are_told_of_the_cache) {
  Log log;
  log.compile(4, 10, 1);
  log.events.push_back(log.events[0]);
  log.events[1].run_id = "two";
  set_begin(log.events[1], 1);
  const Advice advice = log.advice();
  ASSERT_TRUE(slip(advice, AdviceRule::NoCache));
  EXPECT_EQ(slip(advice, AdviceRule::NoCache)->seconds, 1);
  EXPECT_THAT(slip(advice, AdviceRule::NoCache)->command, HasSubstr("--cache_dir"));
}

TEST(Advise, what_a_cache_takes_itself_is_not_promised) {
  Log log;
  set_phases(log.compile(4, 10, 5));
  for (const double begin : {100, 200}) {
    log.events.push_back(log.events[0]);
    set_begin(log.events.back(), begin);
  }
  const double load = 2.36 + 0.0003, write = 0.5 + 0.001;
  EXPECT_NEAR(slip(log.advice(), AdviceRule::NoCache)->seconds, 2 * (5 - load) - write, 1e-9);
  // A compile that begins a second before the first is done waits for that, and for the write.
  set_begin(log.events[1], 4);
  EXPECT_NEAR(slip(log.advice(), AdviceRule::NoCache)->seconds, 2 * (5 - load) - 1 - 2 * write,
              1e-9);
}

TEST(Advise, a_cache_that_saves_nothing_is_not_advised) {
  Log log;
  set_phases(log.compile(4, 10, 2.8));  // less than a load and a write
  log.events.push_back(log.events[0]);
  set_begin(log.events[1], 100);
  EXPECT_FALSE(slip(log.advice(), AdviceRule::NoCache));
}

TEST(Advise, of_a_slip_on_disk_the_load_is_left) {
  Log log;
  log.compile(4, 10, 5);
  RecompileEvent& other = log.compile(4, 10, 5, Cause::Options);
  set_phases(other);
  other.cache.path = "cache";
  EXPECT_NEAR(slip(log.advice(), AdviceRule::OptionSlip)->seconds, 5 - 2.36 - 0.0003, 1e-9);
  other.nearest = 0;  // of the session itself: it had the executable
  EXPECT_EQ(slip(log.advice(), AdviceRule::OptionSlip)->seconds, 5);
}

TEST(Advise, a_new_shape_is_no_part_of_a_slip) {
  Log log;
  log.compile(4, 10, 5);
  log.compile(4, 20, 5, Cause::InputDtype).causes = {Cause::InputDtype, Cause::InputShape};
  EXPECT_FALSE(slip(log.advice(), AdviceRule::DtypeSlip));
}

TEST(Advise, batches_that_follow_a_padded_one_are_padded_too) {
  Log log;
  log.compile(4, 10, 5);
  log.compile(3, 10, 5);
  log.compile(4, 20, 5).served = {
      {{{"input_ids", {3, 10}}}, 2},
      {{{"input_ids", {4, 10}}}, 7}
  };
  const CompileSlip partial = *slip(log.advice(), AdviceRule::PartialBatch);
  EXPECT_EQ(partial.executables, 2);
  EXPECT_DOUBLE_EQ(partial.useful_share, (8 * 40 + 3 * 30 + 80) / (8 * 40 + 3 * 40 + 80.0));
}

TEST(Advise, padding_serves_what_is_smaller_than_was_seen_before) {
  Log log;
  log.compile(4, 20, 5);
  for (const int64_t rows : {3, 2}) log.compile(rows, 20, 5);
  log.compile(4, 30, 5);  // longer: it is compiled all the same
  log.compile(4, 25, 5);
  log.compile(1, 25, 5).target = "another";
  const Advice advice = log.advice();
  ASSERT_TRUE(slip(advice, AdviceRule::PartialBatch));
  EXPECT_EQ(slip(advice, AdviceRule::PartialBatch)->compiles, 3);
  EXPECT_EQ(slip(advice, AdviceRule::PartialBatch)->seconds, 15);
  EXPECT_THAT(slip(advice, AdviceRule::PartialBatch)->text,
              HasSubstr("with them 1 of fewer tokens"));
  // A session that tried was refused: padding would not be exact.
  RecompileEvent& refused = log.compile(3, 20, 0);
  refused.kind = EventKind::Rejected;
  refused.policy.why_not_padded = "tokens see each other";
  EXPECT_FALSE(slip(log.advice(), AdviceRule::PartialBatch));
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
  std::ifstream file(tessera::test::shared_dir() / "data/length_histogram_squad_1_1_384.csv");
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

}  // namespace
}  // namespace tessera
