// SPDX-License-Identifier: Apache-2.0
// --limit, which every verb that reads a stranger's file has.
#include <fmt/format.h>

#include "tools/flags/flags.h"

namespace tessera::tools {

po::options_description limit_flags() {
  std::string help =
      "what reading, compiling, loading and running may cost: NAME=VALUE …; what needs more is "
      "refused before it begins (exit code 3). The names and their defaults:";
  for (const LimitRow& row : limit_rows())
    help += fmt::format("\n{}={}: {}", row.name, to_string(row.unit, row.value), row.help);
  po::options_description flags("Limits");
  flags.add_options()("limit", po::value<std::vector<std::string>>()->multitoken()->composing(),
                      help.c_str());
  return flags;
}

Expected<Limits> limits_of(const po::variables_map& flags) {
  if (!flags.count("limit")) return Limits{};
  return parse_limits(flags["limit"].as<std::vector<std::string>>());
}

}  // namespace tessera::tools
