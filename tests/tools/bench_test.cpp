// SPDX-License-Identifier: Apache-2.0
// The verb bench, when all is well.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Json = nlohmann::json;

TEST(Bench, prints_the_chapters_three_lines) {
  const Result result = tessera({"bench", padded_executable(), packed_executable(), "--iterations",
                                 "5", "--avg_seq_len", "8", "--vocab", "100"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  for (const char* line : {"[Original] Throughput:", "[Pack Offline] Throughput:",
                           "[Pack Online] Throughput:", "modelled IPU", "average mae"})
    EXPECT_THAT(result.out, HasSubstr(line));
}

// Online, in virtual time: the same every time, and the same again from its record.
TEST(BenchOnline, virtual_time_is_deterministic_and_replays) {
  const std::vector<std::string> words = {"bench",
                                          "--online",
                                          "--virtual",
                                          packed_executable(),
                                          "--rate",
                                          "20000",
                                          "--requests",
                                          "500",
                                          "--deadline_microseconds",
                                          "2000",
                                          "--batch_microseconds",
                                          "1000",
                                          "--record",
                                          path("run.jsonl"),
                                          "--json"};
  const Result first = tessera(words);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  const std::string record = read_file(path("run.jsonl"));
  EXPECT_EQ(tessera(words).out, first.out);
  EXPECT_EQ(read_file(path("run.jsonl")), record);
  const Json figures = Json::parse(first.out);
  const int64_t answered = figures["answered"], missed = figures["deadline_missed"];
  EXPECT_EQ(answered + missed + figures["rejected"]["deadline"].get<int64_t>(), 500);
  EXPECT_LE(figures["latency_seconds"]["max"], 0.002);
  EXPECT_GT(figures["token_fill"], 0.5);

  const Result again = tessera({"bench", "--online", "--replay", path("run.jsonl"), "--explain"});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.out, AllOf(HasSubstr("events replayed to the same"), HasSubstr("row 0 |"),
                               HasSubstr("closed at")));
  // Another start of the first request of some batch is another batch.
  std::string other = record;
  other.replace(other.find("\"starts\":[0"), 11, "\"starts\":[1");
  write_file(path("other.jsonl"), other);
  const Result changed = tessera({"bench", "--online", "--replay", path("other.jsonl")});
  EXPECT_EQ(changed.exit_code, 1);
  EXPECT_THAT(changed.err, HasSubstr("batch 0 is another, must be as recorded"));
}

TEST(BenchOnline, real_requests_come_by_trace_and_a_real_run_replays) {
  write_file(path("trace.csv"),
             "seconds,length,priority,deadline_microseconds\n"
             "0,5,0,0\n0.001,17,1,0\n0.002,7,2,1\n0.003,16,0,60000000\n");
  const Result run =
      tessera({"bench", "--online", packed_executable(), "--trace", path("trace.csv"), "--vocab",
               "90", "--record", path("real.jsonl"), "--prometheus", path("metrics.txt")});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("4 requests in"), HasSubstr(": 2 answered"),
                             HasSubstr("1 rejected: over_long"), HasSubstr("1 rejected: deadline"),
                             HasSubstr("p99.9"), HasSubstr("of the segments")));
  EXPECT_THAT(
      read_file(path("metrics.txt")),
      AllOf(HasSubstr("# TYPE tessera_batches_total counter"), HasSubstr("answered_total")));
  EXPECT_EQ(tessera({"bench", "--online", "--replay", path("real.jsonl")}).exit_code, 0);
}

TEST(BenchOnline, clients_send_one_after_the_other) {
  const Result run = tessera({"bench", "--online", packed_executable(), "--clients", "3",
                              "--requests", "40", "--vocab", "90", "--json"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const Json figures = Json::parse(run.out);
  EXPECT_EQ(figures["answered"], 40);
  EXPECT_LE(figures["queue"]["most_requests"], 3);
}

TEST(BenchOnline, what_is_wrong_is_said) {
  write_file(path("bad.csv"), "seconds,length\n1,x\n");
  write_file(path("bad.jsonl"), "{}\n");
  const auto error = [](std::vector<std::string> words) {
    words.insert(words.begin(), "bench");
    return tessera(words).err;
  };
  EXPECT_THAT(error({"--online", "--virtual", "--rate", "5"}),
              HasSubstr("nothing says how long a batch takes"));
  EXPECT_THAT(error({"--online", "--rate", "5"}), HasSubstr("no executable, must be one"));
  EXPECT_THAT(error({"--online", "--virtual", "--batch_microseconds", "5"}),
              HasSubstr("must have one of --rate R, --trace FILE, --clients N"));
  EXPECT_THAT(
      error({"--online", "--virtual", "--batch_microseconds", "5", "--trace", path("bad.csv")}),
      HasSubstr("bad.csv:2: '1,x', must be 2 numbers"));
  EXPECT_THAT(error({"--online", "--replay", path("bad.jsonl")}),
              HasSubstr("bad.jsonl:1: schema is '', must be online/1"));
  EXPECT_THAT(error({packed_executable(), "--rate", "5"}),
              HasSubstr("--rate: is for --online, must be left out without it"));
}

}  // namespace
}  // namespace tessera::cli
