// SPDX-License-Identifier: Apache-2.0
// Verbs that the Python package carries out: what this program does before Python starts, and says
// where it cannot.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// A Python of the test's own: a script.
Surroundings with_python(const std::string& script) {
  const std::string file = path("a_python");
  write_file(file, "#!/bin/sh\n" + script + "\n");
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  return {.environment = {{"TESSERA_PYTHON", file}}};
}

TEST(InPython, words_come_through_as_they_are_and_the_exit_code_comes_back) {
  const Surroundings python = with_python("shift 2; printf '<%s>' \"$@\"; exit 3");
  const Result result =
      tessera_in(python, {"sweep", "a model.onnx", "--targets", "c600", "c600,tiles=4", "-o", "'"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.out, "<sweep><a model.onnx><--targets><c600><c600,tiles=4><-o><'>");
}

TEST(InPython, slips_and_help_need_no_python) {
  const Surroundings python = with_python("echo started");
  const Result slip = tessera_in(python, {"sweep", "--lenghts", "a.csv"});
  EXPECT_EQ(slip.exit_code, 2);
  EXPECT_THAT(slip.err, HasSubstr("'--lenghts' is not a flag; did you mean '--lengths'?"));
  const Result help = tessera_in(python, {"help", "sweep"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.out, AllOf(HasSubstr("--row_length"), Not(HasSubstr("started"))));
}

TEST(InPython, a_python_that_is_not_there_is_named) {
  const Result result =
      tessera_in({.environment = {{"TESSERA_PYTHON", "/nowhere/python3"}}}, {"sweep"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("tessera sweep: /nowhere/python3: cannot be started"),
                                HasSubstr("must be 3.9 or later with the package tessera")));
}

TEST(InPython, a_python_without_the_package_is_told_what_to_install) {
  if (std::system("python3 -c 1 2> /dev/null") != 0) GTEST_SKIP() << "there is no python3";
  const Result result = tessera_in(with_python("exec python3 -I -S \"$@\""), {"sweep"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("tessera sweep: "), HasSubstr("No module named"),
                                HasSubstr("pip install"), Not(HasSubstr("Traceback"))));
}

TEST(InPython, files_of_the_current_folder_are_not_taken_for_modules) {
  if (std::system("python3 -c 1 2> /dev/null") != 0) GTEST_SKIP() << "there is no python3";
  write_file(path("tessera.py"), "print('taken')\n");
  const Result result =
      tessera_in(with_python("cd " + folder() + "; exec python3 -S \"$@\""), {"sweep"});
  EXPECT_THAT(result.out, Not(HasSubstr("taken")));
}

}  // namespace
}  // namespace tessera::cli
