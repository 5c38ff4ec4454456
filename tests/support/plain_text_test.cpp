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

}  // namespace
}  // namespace tessera
