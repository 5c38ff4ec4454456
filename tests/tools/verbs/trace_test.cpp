// SPDX-License-Identifier: Apache-2.0
// tessera trace on the command line; what is in a trace is tests/trace's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

std::string recorded_run() {
  const std::string file = path("traced_run.jsonl");
  const Result result = tessera({"bench", "--online", "--virtual", "--batch_microseconds", "900",
                                 "--rate", "2e4", "--requests", "100", "--record", file});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return file;
}

TEST(Trace, writes_the_same_bytes_for_the_same_inputs) {
  const Words words = {"trace", padded_executable(), "--record", recorded_run(), "-o"};
  for (const char* name : {"a.pftrace", "b.pftrace"}) {
    Words all = words;
    all.push_back(path(name));
    const Result result = tessera(all);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("https://ui.perfetto.dev"));
  }
  EXPECT_EQ(read_file(path("a.pftrace")), read_file(path("b.pftrace")));
  Words json = words;
  json.insert(json.end(), {path("c.pftrace"), "--json"});
  const Json said = Json::parse(tessera(json).out);
  EXPECT_EQ(said["bytes"], read_file(path("a.pftrace")).size());
  EXPECT_EQ(said["file"], path("c.pftrace"));
  EXPECT_GT(said["events"], 500);
}

TEST(Trace, must_be_given_something_and_a_file_to_write) {
  const Result nothing = tessera({"trace", "-o", path("none.pftrace")});
  EXPECT_EQ(nothing.exit_code, kUsage);
  EXPECT_THAT(nothing.err, HasSubstr("must be given MODEL.popef, --record or --events"));
  const Result nowhere = tessera({"trace", padded_executable()});
  EXPECT_EQ(nowhere.exit_code, kUsage);
  EXPECT_THAT(nowhere.err, HasSubstr("must be given by -o"));
  const Result unsigned_log = tessera(
      {"trace", "--record", recorded_run(), "--require_signature", "key.pub", "-o", path("s")});
  EXPECT_EQ(unsigned_log.exit_code, kUsage);
  EXPECT_FALSE(exists(path("none.pftrace")));
}

TEST(Trace, what_cannot_be_is_refused_by_file) {
  const std::string run = recorded_run(), text = read_file(run);
  const auto header_with = [&](const std::string& clock) {
    std::string changed = text;
    const std::string old = "\"clock\":\"virtual\"";
    changed.replace(changed.find(old), old.size(), clock);
    write_file(path("changed.jsonl"), changed);
    return tessera({"trace", "--record", path("changed.jsonl"), "-o", path("changed.pftrace")});
  };
  const std::string file = path("changed.jsonl");
  EXPECT_THAT(header_with("\"clock\":\"sun\"").err,
              HasSubstr(file + ":1: clock is 'sun', must be known"));
  EXPECT_THAT(header_with("\"clock\":\"host\",\"start_unix_ns\":-1,\"pid\":1").err,
              HasSubstr(file + ":1: start_unix_ns is -1, must be in 0.."));
  EXPECT_EQ(header_with("\"clock\":\"host\",\"start_unix_ns\":5,\"pid\":1").exit_code, 0);

  std::string other = text;
  const std::string reason = "\"reason\":\"";
  other.replace(other.find(reason), reason.size(), reason + "x");
  write_file(path("other.jsonl"), other);
  EXPECT_THAT(tessera({"trace", "--record", path("other.jsonl"), "-o", path("other.pftrace")}).err,
              HasSubstr(path("other.jsonl") + ": batch 0 is another, must be as recorded"));
  EXPECT_FALSE(exists(path("other.pftrace")));

  write_file(path("damaged.popef"), read_file(padded_executable()).substr(0, 5000));
  EXPECT_EQ(tessera({"trace", path("damaged.popef"), "-o", path("damaged.pftrace")}).exit_code,
            kBadFile);
  EXPECT_FALSE(exists(path("damaged.pftrace")));
}

TEST(Trace, a_run_on_the_host_is_recorded_with_its_clock) {
  const std::string run = path("host_run.jsonl");
  const Result bench = tessera({"bench", "--online", packed_executable(), "--requests", "20",
                                "--rate", "2000", "--record", run});
  ASSERT_EQ(bench.exit_code, 0) << bench.err;
  const std::string text = read_file(run);
  const Json header = Json::parse(text.substr(0, text.find('\n')));
  EXPECT_EQ(header["clock"], "host");
  EXPECT_GT(header["start_unix_ns"], 1'600'000'000'000'000'000);
  EXPECT_GT(header["pid"], 0);
  EXPECT_EQ(tessera({"trace", "--record", run, "-o", path("host.pftrace")}).exit_code, 0);
  EXPECT_EQ(tessera({"bench", "--online", "--replay", run}).exit_code, 0);
}

}  // namespace
}  // namespace tessera::cli
