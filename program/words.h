// SPDX-License-Identifier: Apache-2.0
// The words of a Program's text, as print and parse must agree on them.
#pragma once

#include <string_view>

namespace tessera {

// In the order of VariableKind.
inline constexpr std::string_view kKindWords[] = {"input", "output", "constant", "activation"};

// Where a list of names may end, one of these follows: a name that is spelled so stands in quotes,
// and so does one that has other characters than a word.
inline constexpr std::string_view kKeywords[] = {"outputs", "step", "send", "read", "write"};
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '.' ||
         c == '/';
}

}  // namespace tessera
