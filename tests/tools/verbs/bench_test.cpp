// SPDX-License-Identifier: Apache-2.0
// The verb bench, when all is well.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

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

// A line of cells for each line.
std::vector<std::vector<std::string>> cells_of(const std::string& csv) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(csv);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream cells(line);
    auto& row = rows.emplace_back();
    for (std::string cell; std::getline(cells, cell, ',');) row.push_back(cell);
  }
  return rows;
}

TEST(Bench, every_executable_has_percentiles_in_text_json_and_csv) {
  const std::vector<std::string> words = {
      "bench", padded_executable(), packed_executable(), "--vocab", "90", "--avg_seq_len", "8",
      "--csv", path("bench.csv")};
  const Result text = tessera(words);
  ASSERT_EQ(text.exit_code, 0) << text.err;
  for (const char* share : {"p50", "p90", "p95", "p99"}) EXPECT_THAT(text.out, HasSubstr(share));
  const auto rows = cells_of(read_file(path("bench.csv")));
  ASSERT_EQ(rows.size(), 4u);  // the names; original, offline, online
  EXPECT_THAT(rows[0], ::testing::IsSupersetOf({"executable", "label", "batch_seconds.p95",
                                                "latency_seconds.p99", "host_samples_per_second"}));
  EXPECT_EQ(rows[1][0], padded_executable());
  EXPECT_EQ(rows[3][1], "Pack Online");

  std::vector<std::string> as_json = words;
  as_json.push_back("--json");
  const Json figures = Json::parse(tessera(as_json).out);
  EXPECT_EQ(figures["schema"], "tessera-bench/1");
  ASSERT_EQ(figures["runs"].size(), 3u);
  for (const Json& run : figures["runs"]) {
    const Json& seconds = run["batch_seconds"];
    EXPECT_LE(seconds["p50"], seconds["p90"]);
    EXPECT_LE(seconds["p99"], seconds["max"]);
    EXPECT_GT(seconds["mean"], 0);
  }
  EXPECT_FALSE(figures["runs"][1].contains("latency_seconds"));
  EXPECT_GT(figures["runs"][2]["latency_seconds"]["p50"], 0);
}

TEST(Bench, a_duration_is_the_least_and_a_warm_up_is_not_measured) {
  const auto bench = [](std::vector<std::string> words) {
    words.insert(words.begin(), {"bench", padded_executable(), "--json", "--iterations", "1"});
    const Result result = tessera(words);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return Json::parse(result.out)["runs"][0];
  };
  const Json once = bench({"--warm_up", "0.2"});
  EXPECT_EQ(once["batches"], 1);
  EXPECT_LT(once["host_seconds"], 0.2);
  const Json longer = bench({"--duration", "0.2"});
  EXPECT_GT(longer["batches"], 1);
  EXPECT_GE(longer["host_seconds"], 0.2);
}

TEST(Bench, what_is_wrong_is_said_before_the_work) {
  const auto error = [](std::vector<std::string> words) {
    words.insert(words.begin(), {"bench", padded_executable()});
    const Result result = tessera(words);
    EXPECT_NE(result.exit_code, 0);
    EXPECT_EQ(result.out, "");
    return result.err;
  };
  EXPECT_THAT(error({"--warm_up", "-1"}), HasSubstr("--warm_up: -1, must be in 0..604800 seconds"));
  EXPECT_THAT(error({"--duration", "nan"}), HasSubstr("--duration: nan, must be in 0.."));
  EXPECT_THAT(error({"--iterations", "0"}), HasSubstr("--iterations: 0, must be at least 1"));
  EXPECT_THAT(error({"--csv", path("nowhere/b.csv")}), HasSubstr("must be a folder to write to"));
  EXPECT_THAT(error({"--csv", path("b.csv"), "--sandbox"}),
              HasSubstr("--csv: a sandbox writes no"));
  EXPECT_THAT(error({"--online", "--rate", "5", "--duration", "3"}),
              HasSubstr("--duration: is for benches without --online"));
}

TEST(BenchOnline, its_figures_are_a_row_of_a_table) {
  const Result run = tessera({"bench", "--online", "--virtual", "--batch_microseconds", "900",
                              "--rate", "3000", "--requests", "50", "--csv", path("online.csv")});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto rows = cells_of(read_file(path("online.csv")));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_THAT(rows[0], ::testing::IsSupersetOf({"clock", "latency_seconds.p95"}));
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
