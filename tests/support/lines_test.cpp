// SPDX-License-Identifier: Apache-2.0
#include "support/lines.h"

#include <gtest/gtest.h>

#include <vector>

namespace tessera {
namespace {

TEST(Lines, each_comes_with_its_number_and_without_its_end) {
  std::vector<std::string> lines;
  const auto add = [&](std::string_view line, size_t number) -> Status {
    lines.push_back(std::to_string(number) + std::string(line));
    return {};
  };
  ASSERT_TRUE(for_each_line("file", "a\r\n\nb", add).ok());
  EXPECT_EQ(lines, (std::vector<std::string>{"1a", "2", "3b"}));
}

TEST(Lines, a_long_line_and_one_too_many_are_refused) {
  const auto none = [](std::string_view, size_t) -> Status { return {}; };
  EXPECT_TRUE(for_each_line("file", std::string(kMaxLineBytes, 'x') + "\n", none).ok());
  EXPECT_EQ(for_each_line("file", "\n" + std::string(kMaxLineBytes + 1, 'x'), none).error().message,
            "file: line 2 has 16777217 bytes, must have at most 16777216");
  EXPECT_EQ(for_each_line("file", std::string(kMaxLines + 1, '\n'), none).error().message,
            "file: line 16777217: there must be at most 16777216 lines");
}

TEST(Lines, json_holds_numbers_that_are_integers_of_64_bits_or_between_them) {
  for (const char* sound :
       {"[0, -1, 1.5e3, 9223372036854774784]", "[9.2e18, 1e-300, 1E-999, -9223372036854775808]",
        R"({"a": "1e300"})", "[-]", "e", "[true, false, null]"})
    EXPECT_TRUE(check_json(sound).ok()) << sound;
  for (const auto& [text, number] : std::vector<std::pair<std::string, std::string>>{
           {R"({"a": -1e300})",           "-1e300"               },
           {"[1, 9223372036854775808.0]", "9223372036854775808.0"},
           {"[9223372036854775808]",      "9223372036854775808"  },
           {"[1e999]",                    "1e999"                }
  })
    EXPECT_EQ(check_json(text).error().message,
              "holds the number " + number + ", must hold numbers below 2^63");
}

TEST(Lines, json_is_bounded_in_depth_and_values) {
  const auto nested = [](int depth) {
    return std::string(static_cast<size_t>(depth), '[') +
           std::string(static_cast<size_t>(depth), ']');
  };
  EXPECT_TRUE(check_json(nested(kMaxJsonDepth)).ok());
  EXPECT_EQ(check_json(nested(kMaxJsonDepth + 1)).error().message,
            "is nested 33 deep, must be at most 32");
  EXPECT_TRUE(check_json(R"({"a": "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[["})").ok());
  EXPECT_FALSE(check_json("[" + std::string(kMaxJsonValues, ',')).ok());
}

}  // namespace
}  // namespace tessera
