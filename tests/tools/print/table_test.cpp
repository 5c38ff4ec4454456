// SPDX-License-Identifier: Apache-2.0
// Tables on pages of every width: no line is longer than the page.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Words = std::vector<std::string>;

// Letters, not bytes.
size_t longest_line(const std::string& text, const std::string& from) {
  std::istringstream lines(text.substr(text.find(from)));
  size_t longest = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('(')) continue;  // the sentence behind the table
    const auto letters = std::count_if(line.begin(), line.end(),
                                       [](char letter) { return (letter & 0xC0) != 0x80; });
    longest = std::max(longest, static_cast<size_t>(letters));
  }
  return longest;
}

Result on_page(int columns, const Words& words) {
  Surroundings around;
  around.environment = {
      {"COLUMNS", std::to_string(columns)}
  };
  return tessera_in(around, words);
}

TEST(Tables, fit_a_page_of_40_columns_and_more) {
  const std::string file = padded_executable();
  const std::vector<std::pair<Words, std::string>> tables = {
      {{"inspect", file, "--cycles"},     "superstep"   },
      {{"inspect", file, "--ops"},        "ONNX nodes"  },
      {{"inspect", file, "--kinds"},      "codelet"     },
      {{"inspect", file, "--layers"},     "layer"       },
      {{"inspect", file, "--liveness"},   "superstep"   },
      {{"inspect", file, "--supersteps"}, "\n step name"},
  };
  for (const auto& [words, from] : tables)
    for (const int columns : {40, 50, 60, 79, 80, 100, 119, 200}) {
      const Result result = on_page(columns, words);
      ASSERT_EQ(result.exit_code, 0) << result.err;
      EXPECT_LE(longest_line(result.out, from), static_cast<size_t>(columns)) << words[2] << "\n"
                                                                              << result.out;
    }
}

TEST(Tables, say_what_is_left_out_and_leave_nothing_out_of_a_file) {
  const Words words = {"inspect", padded_executable(), "--kinds"};
  EXPECT_THAT(on_page(60, words).out, HasSubstr("(left out to fit: "));
  EXPECT_THAT(on_page(60, words).out, HasSubstr("COLUMNS=120 shows all)"));
  EXPECT_THAT(on_page(120, words).out, Not(HasSubstr("left out")));
  Surroundings file;
  file.unset = {"COLUMNS"};
  EXPECT_EQ(tessera_in(file, words).out, on_page(200, words).out);
}

}  // namespace
}  // namespace tessera::cli
