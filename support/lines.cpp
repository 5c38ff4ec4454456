// SPDX-License-Identifier: Apache-2.0
#include "support/lines.h"

#include <charconv>

namespace tessera {
namespace {

bool is_of_number(char c) {
  return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

bool is_too_large(std::string_view number) {
  double value = 0;
  if (std::from_chars(number.data(), number.data() + number.size(), value).ec ==
      std::errc::result_out_of_range)
    return number.find("e-") == number.npos && number.find("E-") == number.npos;  // else it is 0
  return value >= kMaxJsonNumber || value < -kMaxJsonNumber;
}

}  // namespace

Status check_json(std::string_view text) {
  int depth = 0;
  size_t values = 1;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
      continue;
    }
    if (c == '"') in_string = true;
    if (is_of_number(c)) {
      size_t end = i + 1;
      while (end < text.size() && is_of_number(text[end])) ++end;
      const std::string_view number = text.substr(i, end - i);
      if (is_too_large(number))
        return Error{"holds the number " + std::string(number.substr(0, 32)) +
                         ", must hold numbers below 2^63",
                     ErrorKind::BadFile};
      i = end - 1;
      continue;
    }
    if (c == ',' || c == '[' || c == '{') ++values;
    if (c == ']' || c == '}') --depth;
    if ((c == '[' || c == '{') && ++depth > kMaxJsonDepth)
      return Error{"is nested " + std::to_string(depth) + " deep, must be at most " +
                       std::to_string(kMaxJsonDepth),
                   ErrorKind::BadFile};
  }
  if (values <= kMaxJsonValues) return {};
  return Error{"has " + std::to_string(values) + " values, must have at most " +
                   std::to_string(kMaxJsonValues),
               ErrorKind::BadFile};
}

Status check_line(std::string_view line, size_t number) {
  const std::string where = "line " + std::to_string(number);
  if (line.size() > kMaxLineBytes)
    return Error{where + " has " + std::to_string(line.size()) + " bytes, must have at most " +
                     std::to_string(kMaxLineBytes),
                 ErrorKind::BadFile};
  if (number <= kMaxLines) return {};
  return Error{where + ": there must be at most " + std::to_string(kMaxLines) + " lines",
               ErrorKind::BadFile};
}

}  // namespace tessera
