// SPDX-License-Identifier: Apache-2.0
// "-" in place of a file that a verb reads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using ::testing::HasSubstr;

Result with_input(const std::string& file, const std::vector<std::string>& words) {
  return tessera_in({.in = file}, words);
}

TEST(StandardInput, is_an_executable_a_model_a_log_or_lengths) {
  EXPECT_EQ(with_input(packed_executable(), {"inspect", "-", "--ops"}).out,
            tessera({"inspect", packed_executable(), "--ops"}).out);
  EXPECT_EQ(with_input(packed_executable(), {"verify", "-"}).exit_code, 0);
  const Result model =
      with_input(tiny_model(), {"compile", "-i", "-", "--input_shape", "input_ids=4,16", "--target",
                                "test", "-o", path("of_stdin.popef")});
  ASSERT_EQ(model.exit_code, 0) << model.err;
  // An executable's bytes do not depend on the name of the model's file.
  EXPECT_EQ(read_file(path("of_stdin.popef")), read_file(padded_executable()));

  const std::string log = path("stdin_events.jsonl");
  ASSERT_EQ(with_input(tiny_model(), {"run", "-", "--target", "test", "--random", "input_ids=4,16",
                                      "--events", log})
                .exit_code,
            0);
  const Result events = with_input(log, {"recompiles", "list", "-"});
  EXPECT_EQ(events.exit_code, 0) << events.err;
  EXPECT_THAT(events.out, HasSubstr("1 compiles"));

  write_file(path("stdin.csv"), "length,count\n3,4\n9,2\n");
  const Result lengths = with_input(path("stdin.csv"), {"pack", "-", "--draw", "6"});
  EXPECT_EQ(lengths.exit_code, 0) << lengths.err;
}

TEST(StandardInput, leaves_no_file) {
  const std::string temporary = path("temporary");
  std::filesystem::create_directory(temporary);
  Surroundings around;
  around.in = packed_executable();
  around.environment = {
      {"TMPDIR", temporary}
  };
  EXPECT_EQ(tessera_in(around, {"inspect", "-"}).exit_code, 0);
  EXPECT_TRUE(std::filesystem::is_empty(temporary));
}

TEST(StandardInput, can_be_read_once_and_is_bounded) {
  const Result twice = with_input(packed_executable(), {"verify", "-", "-"});
  EXPECT_EQ(twice.exit_code, 2);
  EXPECT_THAT(twice.err, HasSubstr("standard input can be read once"));
  const Result large = with_input(packed_executable(), {"inspect", "-", "--limit", "memory=1000"});
  EXPECT_NE(large.exit_code, 0);
  EXPECT_THAT(large.err, HasSubstr("standard input: is larger than 1000 bytes"));
}

}  // namespace
}  // namespace tessera::cli
