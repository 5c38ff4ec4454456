// SPDX-License-Identifier: Apache-2.0
#include "tools/flags/flag_words.h"

#include <gmock/gmock.h>

#include "compiler/option_rows.h"
#include "tests/tools/command_line.h"
#include "tools/flags/flags.h"

namespace tessera::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> normal(const std::vector<std::string>& words) {
  return tools::normal_words(words, tools::compile_flags());
}

TEST(FlagWords, a_long_flag_may_be_spelled_with_dashes) {
  EXPECT_THAT(normal({"--skip-passes", "fuse-gelu", "--num-io-tiles=3", "-o", "a-b"}),
              ElementsAre("--skip_passes", "fuse-gelu", "--num_io_tiles=3", "-o", "a-b"));
}

TEST(FlagWords, a_truth_may_stand_alone_before_any_other_word) {
  EXPECT_THAT(normal({"--enable_fast_reduce", "model.onnx"}),
              ElementsAre("--enable_fast_reduce=true", "model.onnx"));
  EXPECT_THAT(normal({"--prefetch", "false", "--enable-fast-reduce"}),
              ElementsAre("--prefetch=false", "--enable_fast_reduce=true"));
  EXPECT_THAT(normal({"--prefetch=false"}), ElementsAre("--prefetch=false"));
}

TEST(FlagWords, words_behind_two_dashes_stay_as_they_are) {
  EXPECT_THAT(normal({"--", "--a-b", "--prefetch"}), ElementsAre("--", "--a-b", "--prefetch"));
}

TEST(FlagWords, both_spellings_do_the_same) {
  const auto run = [](const char* cache) {
    return tessera({"run", tiny_model(), "--target", "test", "--random", "input_ids=4,16", cache,
                    path("spelled"), "--on_recompile", "allow"});
  };
  EXPECT_EQ(run("--cache_dir").exit_code, 0);
  EXPECT_EQ(run("--cache_dir").exit_code, 0);
}

TEST(FlagWords, help_has_one_spelling) {
  for (const char* verb : {"compile", "run", "bench", "pack", "sign", "keygen", "verify"})
    EXPECT_THAT(tessera({verb, "--help"}).out, Not(::testing::ContainsRegex("--[a-z]+-[a-z]")))
        << verb;
}

TEST(FlagWords, every_option_of_the_compiler_is_a_flag_with_its_help) {
  const std::string help = tessera({"compile", "--help"}).out;
  for (const OptionRow& row : option_rows()) {
    EXPECT_THAT(help, HasSubstr("--" + std::string(row.name) + " "));
    EXPECT_THAT(help, HasSubstr(std::string(row.help.substr(0, row.help.find(' ')))));
  }
}

}  // namespace
}  // namespace tessera::cli
