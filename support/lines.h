// SPDX-License-Identifier: Apache-2.0
// A text by its lines, and JSON before it is parsed: both bounded, because parsers take many times
// the bytes that they are given, and what walks a value goes as deep as it is nested.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "support/expected.h"

namespace tessera {

inline constexpr size_t kMaxLineBytes = size_t{16} << 20;
inline constexpr size_t kMaxLines = size_t{1} << 24;
inline constexpr int kMaxJsonDepth = 32;
inline constexpr size_t kMaxJsonValues = size_t{1} << 26;
inline constexpr double kMaxJsonNumber = 9223372036854775808.0;  // 2^63

// Errors: "is nested 33 deep, must be at most 32", too many values, or a number of 2^63 or more,
// because C++ does not define its conversion to an integer. Text that is not JSON passes.
Status check_json(std::string_view text);
// Errors: "line 7 has 20000000 bytes, must have at most 16777216".
Status check_line(std::string_view line, size_t number);

// Calls with each line of a file's text, without its end, and its number from 1, until one gives an
// error; a line that is refused here is an error that names the file.
template <class Call>
Status for_each_line(const std::string& path, std::string_view text, const Call& call) {
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (const Status sound = check_line(line, number); !sound.ok())
      return Error{path + ": " + sound.error().message, sound.error().kind};
    if (line.ends_with('\r')) line.remove_suffix(1);
    TRY(call(line, number));
  }
  return {};
}

}  // namespace tessera
