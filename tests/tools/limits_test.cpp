// SPDX-License-Identifier: Apache-2.0
// --limit on every verb that reads a stranger's file: said in its help, and obeyed.
#include "support/limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/helpers/paths.h"
#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

const std::string kVertices = tessera::test::source_dir() + "/tests/data/hostile/vertices.popef";

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(LimitFlag, every_verb_that_reads_files_lists_the_limits_and_their_defaults) {
  for (const char* verb :
       {"compile", "run", "bench", "inspect", "recompiles", "convert", "pack", "serve", "trace"}) {
    const Result help = tessera({verb, "--help"});
    for (const LimitRow& row : limit_rows())
      EXPECT_THAT(help.out,
                  HasSubstr(std::string(row.name) + "=" + to_string(row.unit, row.value) + ":"))
          << verb;
  }
}

TEST(LimitFlag, what_is_not_a_limit_is_a_usage_error) {
  const Words words = {"inspect", padded_executable(), "--limit"};
  const Result unknown = tessera(with(words, {"tim=5"}));
  EXPECT_EQ(unknown.exit_code, kUsage);
  EXPECT_THAT(unknown.err, HasSubstr("--limit: 'tim=5', must be NAME=VALUE"));
  EXPECT_EQ(tessera(with(words, {"time=0"})).exit_code, kUsage);
}

TEST(LimitFlag, a_file_of_too_many_vertices_is_refused_by_every_verb) {
  const std::string said =
      "program: needs vertices = 13,107,200, must be at most 8,388,608 (--limit vertices=VALUE "
      "raises it)";
  for (const Words& words : {
           Words{"inspect", kVertices},
           Words{"inspect", kVertices, "--cycles", "--json"},
           Words{"run", kVertices, "--random", "yes"},
           Words{"bench", kVertices},
           Words{"serve", "stranger=" + kVertices, "--http_port", "0", "--grpc_port", "-1"},
           Words{"trace", kVertices, "-o", path("vertices.pftrace")},
           Words{"run", kVertices, "--random", "yes", "--isolated"},
           Words{"pack", "--random", "10", "--executable", kVertices}
  }) {
    const Result result = tessera(words);
    EXPECT_EQ(result.exit_code, kRefused) << words[0] << result.err;
    EXPECT_THAT(result.err, AllOf(HasSubstr(kVertices + ": blob 0 "), HasSubstr(said)));
  }
}

TEST(LimitFlag, reaches_reading_loading_and_compiling) {
  const Words run = {"run", padded_executable(), "--random", "yes", "--limit"};
  for (const char* word : {"vertices=10", "blocks=10", "comparisons=10", "messages=10",
                           "memory=20KiB", "kernels=1", "kernel_steps=10"}) {
    const Result result = tessera(with(run, {word}));
    EXPECT_EQ(result.exit_code, kRefused) << word << result.err;
    const std::string name = std::string(word).substr(0, std::string(word).find('='));
    EXPECT_THAT(result.err, HasSubstr("(--limit " + name + "=VALUE raises it)"));
  }
  EXPECT_EQ(tessera(with(run, {"kernels=100", "time=2m", "memory=1GiB"})).exit_code, 0);
  for (const Words& words : {
           Words{"compile", tiny_model(), "-o", path("limited.popef"), "--input_shape",
                 "input_ids=4,16", "--limit", "vertices=10"},
           Words{"run", tiny_model(), "--random", "input_ids=4,16", "--limit", "kernels=1"}
  }) {
    const Result result = tessera(words);
    EXPECT_EQ(result.exit_code, kRefused) << words[0] << result.err;
  }
}

TEST(LimitFlag, a_cached_executable_is_read_within_the_limits_and_stays) {
  const Words run = {"run",        tiny_model(),  "--random",   "input_ids=4,16",
                     "--no_cache", "--cache_dir", path("cache")};
  ASSERT_EQ(tessera(run).exit_code, 0);
  const Result refused = tessera(with(run, {"--limit", "vertices=10"}));
  EXPECT_EQ(refused.exit_code, kRefused) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("executable.popef"));
  const Result again = tessera(with(run, {"--events", path("again.jsonl")}));
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_THAT(read_file(path("again.jsonl")), HasSubstr("cache_load"));
}

TEST(Texts, deep_nesting_and_lines_without_end_are_refused) {
  write_file(path("deep.jsonl"), std::string(1 << 20, '[') + "\n");
  for (const Words& words : {
           Words{"bench", "--online", "--replay", path("deep.jsonl")},
           Words{"recompiles", "list", path("deep.jsonl")},
           Words{"pack", path("deep.jsonl")}
  }) {
    const Result result = tessera(words);
    EXPECT_NE(result.exit_code, 0);
    EXPECT_THAT(result.err, HasSubstr("is nested 33 deep, must be at most 32")) << words[0];
  }
  write_file(path("long.csv"), std::string((16 << 20) + 1, 'x'));
  const Result trace = tessera({"bench", "--online", "--virtual", "--rows", "2", "--row_length",
                                "8", "--batch_microseconds", "100", "--trace", path("long.csv")});
  EXPECT_NE(trace.exit_code, 0);
  EXPECT_THAT(trace.err,
              HasSubstr("long.csv: line 1 has 16777217 bytes, must have at most 16777216"));
}

}  // namespace
}  // namespace tessera::cli
