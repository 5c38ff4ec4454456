// SPDX-License-Identifier: Apache-2.0
// All that the verbs say goes through here, and tests/architecture holds them to it. Text may come
// from a stranger's file (names, log fields, paths), so every word that is printed passes the
// filter of support/plain_text.h; a caller cannot forget it, only ask for lines to be kept.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "support/plain_text.h"

namespace tessera::tools {

// Text of several lines, as our printers of programs and reports make it: '\n' stays.
struct Lines {
  std::string_view text;
};
// A picture of our own in colours. It is printed as it is: foreign words in it have been filtered.
struct Picture {
  std::string_view text;
};

template <class T>
auto shown(const T& value) {
  static_assert(!std::is_same_v<T, char>, "a letter of a foreign word would pass the filter");
  if constexpr (std::is_arithmetic_v<T>) {
    return value;
  } else if constexpr (std::is_same_v<T, Lines>) {
    return visible_lines(value.text);
  } else if constexpr (std::is_same_v<T, Picture>) {
    return std::string(value.text);
  } else {
    return visible(value);
  }
}
template <class T>
using Shown = decltype(shown(std::declval<const T&>()));

// One write each. Text that stderr cannot take is lost: it is not a reason to stop.
void write_out(std::string_view text);
// The words of `print` go to stdout, or where that is for a file's bytes, to stderr.
void write_told(std::string_view text);
// From now on stdout is for the bytes that the verb writes to `path`, which is told as "-".
void tell_on_stderr(const std::string& path);
void write_error(std::string_view text);
// One line on stderr that later ones take away: the next of its kind, or whatever else is printed.
// Empty: takes the last one away.
void write_status(std::string_view line);
// Why stdout could not take all that it was given, as errno has it; 0 if it could. Flushes it.
int output_error();

template <class... Args>
void print(fmt::format_string<Shown<Args>...> format, const Args&... args) {
  write_told(fmt::format(format, shown(args)...));
}
template <class... Args>
void print_error(fmt::format_string<Shown<Args>...> format, const Args&... args) {
  write_error(fmt::format(format, shown(args)...));
}

// JSON in ASCII: what the filter would change is \u1234, as JSON spells it. Bytes that are not
// UTF-8 become \ufffd. `indent` -1: on one line.
template <class Json>
void print_json(const Json& json, int indent) {
  print("{}\n", Lines{json.dump(indent, ' ', true, Json::error_handler_t::replace)});
}

}  // namespace tessera::tools
