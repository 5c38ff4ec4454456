// SPDX-License-Identifier: Apache-2.0
#include "support/plain_text.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

TEST(PlainText, any_script_is_plain) {
  for (const char* text : {"", "layer/0", "größe", "層:0", "𝛾", " ~"})
    EXPECT_TRUE(is_plain_text(text)) << text;
}

TEST(PlainText, control_characters_are_not) {
  for (const char* text : {"a\nb", "\t", "\x1b[2J", "\x7f", "\xc2\x80"})
    EXPECT_FALSE(is_plain_text(text)) << text;
  EXPECT_FALSE(is_plain_text(std::string_view("a\0b", 3)));
}

TEST(PlainText, broken_utf8_is_not) {
  for (const char* text : {"\x80", "\xff", "\xc3", "\xc3(", "\xe5\xb1", "\xc0\xaf", "\xe0\x80\xaf",
                           "\xed\xa0\x80", "\xf4\x90\x80\x80"})
    EXPECT_FALSE(is_plain_text(text)) << text;
}

TEST(Visible, ordinary_text_of_any_script_stays) {
  for (const char* text : {"", "layer/0:1", "größe", "層:0", "𝛾", "a\\b 'c' \"d\" ~"})
    EXPECT_EQ(visible(text), text);
}

TEST(Visible, controls_of_both_sets_are_spelled_out) {
  EXPECT_EQ(visible("a\x1b[2Jb"), "a\\x1b[2Jb");
  EXPECT_EQ(visible("a\nb\tc\rd\x7f"), "a\\nb\\tc\\rd\\x7f");
  EXPECT_EQ(visible(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(visible("\xc2\x9b"
                    "31m"),
            "\\u009b31m");
}

TEST(Visible, what_turns_or_hides_text_is_spelled_out) {
  EXPECT_EQ(visible("a\u202e"
                    "b\u2066"
                    "c\u200f"),
            "a\\u202eb\\u2066c\\u200f");
  EXPECT_EQ(visible("a\u200b"
                    "b\ufeff"
                    "c\u00ad"
                    "d\u2028"),
            "a\\u200bb\\ufeffc\\u00add\\u2028");
  EXPECT_EQ(visible("\U000e0041"), "\\U000e0041");
}

TEST(Visible, bytes_that_are_not_utf8_are_spelled_out_one_by_one) {
  EXPECT_EQ(visible("a\xff"
                    "b\xc3"),
            "a\\xffb\\xc3");
  EXPECT_EQ(visible("\xed\xa0\x80"), "\\xed\\xa0\\x80");
  EXPECT_EQ(visible("\xc0\xaf"), "\\xc0\\xaf");
  EXPECT_EQ(visible("\xe5\xb1"), "\\xe5\\xb1");
}

TEST(Visible, every_pair_of_bytes_becomes_plain_text) {
  for (int a = 0; a < 256; ++a)
    for (int b = 0; b < 256; ++b) {
      const char pair[] = {static_cast<char>(a), static_cast<char>(b)};
      EXPECT_TRUE(is_plain_text(visible({pair, 2}))) << a << " " << b;
    }
}

TEST(Visible, text_of_lines_keeps_its_lines) {
  EXPECT_EQ(visible_lines("a\n\x1b[2Jb\n"), "a\n\\x1b[2Jb\n");
}

TEST(ShellWord, quotes_what_a_shell_would_act_on) {
  EXPECT_EQ(shell_word("input_ids=4,16"), "input_ids=4,16");
  EXPECT_EQ(shell_word("$(rm -rf ~)"), "'$(rm -rf ~)'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("fp16;ls"), "'fp16;ls'");
}

}  // namespace
}  // namespace tessera
