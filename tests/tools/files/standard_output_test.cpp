// SPDX-License-Identifier: Apache-2.0
// "-" in place of the file that a verb writes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Words = std::vector<std::string>;

// The verb prints with "-" the same bytes as it otherwise writes to a file.
void expect_same_bytes(Words words, const std::string& flag) {
  const std::string file = path("as_a_file");
  Words to_file = words;
  to_file.insert(to_file.end(), {flag, file});
  ASSERT_EQ(tessera(to_file).exit_code, 0) << words[0];
  words.insert(words.end(), {flag, "-"});
  const Result piped = tessera(words);
  EXPECT_EQ(piped.exit_code, 0) << words[0] << piped.err;
  EXPECT_TRUE(piped.out == read_file(file)) << words[0];
  EXPECT_THAT(piped.err, Not(HasSubstr("standard_output"))) << words[0];
}

TEST(StandardOutput, takes_what_a_verb_writes) {
  expect_same_bytes(
      {"compile", "-i", tiny_model(), "--input_shape", "input_ids=4,16", "--target", "test"}, "-o");
  expect_same_bytes({"convert", "--input_model", tiny_model(), "--input_shape", "input_ids=4,16"},
                    "--output_model");
  expect_same_bytes({"make-model", "--preset", "tiny"}, "-o");
  expect_same_bytes({"trace", padded_executable()}, "-o");
  write_file(path("lengths.csv"), "length,count\n3,4\n9,2\n");
  expect_same_bytes({"pack", path("lengths.csv"), "--rows", "2", "--row_length", "16"}, "-o");
}

TEST(StandardOutput, has_the_bytes_alone_and_the_account_is_on_stderr) {
  const Result compiled = tessera({"compile", "-i", tiny_model(), "--input_shape", "input_ids=4,16",
                                   "--target", "test", "-o", "-"});
  EXPECT_TRUE(compiled.out == read_file(padded_executable()));
  EXPECT_THAT(compiled.err, HasSubstr("-\n  compiled in "));
  const Result page = tessera({"report", padded_executable(), "-o", "-"});
  EXPECT_EQ(page.exit_code, 0) << page.err;
  EXPECT_THAT(page.out, StartsWith("<!DOCTYPE html>"));
  EXPECT_THAT(page.err, HasSubstr("-: "));
}

TEST(StandardOutput, leaves_no_file) {
  const std::string temporary = path("temporary");
  std::filesystem::create_directory(temporary);
  Surroundings around;
  around.environment = {
      {"TMPDIR", temporary}
  };
  EXPECT_EQ(tessera_in(around, {"make-model", "--preset", "tiny", "-o", "-"}).exit_code, 0);
  EXPECT_NE(tessera_in(around, {"trace", path("none.popef"), "-o", "-"}).exit_code, 0);
  EXPECT_TRUE(std::filesystem::is_empty(temporary));
}

TEST(StandardOutput, that_cannot_be_had_is_refused) {
  const auto refused = [](const Words& words, const char* why) {
    const Result result = tessera(words);
    EXPECT_EQ(result.exit_code, kUsage);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, HasSubstr(why));
  };
  refused({"make-model", "-o", "-", "--json"}, "--output -: is not together with --json");
  refused({"requests", padded_executable(), "--random", "3", "-o", "-"},
          "--output -: requests are many files, must be a folder");
  Surroundings full;
  full.out = "/dev/full";
  const Result lost = tessera_in(full, {"make-model", "--preset", "tiny", "-o", "-"});
  EXPECT_EQ(lost.exit_code, kError);
  EXPECT_THAT(lost.err, HasSubstr("standard output: cannot write"));
}

}  // namespace
}  // namespace tessera::cli
