// SPDX-License-Identifier: Apache-2.0
#include "support/lines.h"

namespace tessera {

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
