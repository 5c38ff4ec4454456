// SPDX-License-Identifier: Apache-2.0
#include "tools/print/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace tessera::tools {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

bool obeys_escapes(int descriptor) {
  const std::string_view term = environment("TERM");
  return isatty(descriptor) == 1 && !term.empty() && term != "dumb";
}

po::options_description colour_flags() {
  po::options_description flags("Pictures");
  flags.add_options()("color", po::value<std::string>()->default_value("auto"),
                      "colours: always, never, or auto: on a terminal, unless NO_COLOR is set or "
                      "TERM is dumb");
  return flags;
}

Expected<bool> in_colour(const po::variables_map& flags) {
  const auto word = flags["color"].as<std::string>();
  if (word == "always") return true;
  if (word == "never") return false;
  if (word == "auto") return environment("NO_COLOR").empty() && obeys_escapes(STDOUT_FILENO);
  return Error{fmt::format("--color: '{}', must be auto, always or never", word), ErrorKind::Usage};
}

int64_t terminal_columns(int descriptor) {
  winsize size{};
  const bool known = ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

int64_t picture_columns() {
  constexpr int64_t kLeast = 40, kMost = 400;
  const int64_t asked = std::atoll(std::string(environment("COLUMNS")).c_str());
  return std::clamp(asked > 0 ? asked : terminal_columns(STDOUT_FILENO), kLeast, kMost);
}

int64_t row_columns() {
  constexpr int64_t kBeside = 44, kLeast = 16;
  return std::max(picture_columns() - kBeside, kLeast);
}

}  // namespace tessera::tools
