// SPDX-License-Identifier: Apache-2.0
// tessera recompiles: what was compiled, why, and at what price, from an events file.
#include <fmt/format.h>

#include "session/events.h"
#include "tools/verb.h"

namespace tessera::tools {
namespace {

po::options_description flags() {
  po::options_description flags("Recompiles");
  flags.add_options()("words", po::value<std::vector<std::string>>(), "list FILE.jsonl")(
      "json", po::bool_switch(), "print each event as its JSON line");
  return flags;
}

Status run(const po::variables_map& flags) {
  const auto words = flags.count("words") ? flags["words"].as<std::vector<std::string>>()
                                          : std::vector<std::string>();
  if (words.size() != 2 || words[0] != "list")
    return Error{"recompiles: must be 'list FILE.jsonl'", ErrorKind::Usage};
  double seconds = 0;
  const std::vector<RecompileEvent> events = TRY(read_events(words[1]));
  for (const RecompileEvent& event : events) {
    const std::string line = flags["json"].as<bool>() ? to_json_line(event) : to_human_line(event);
    fmt::print("{}\n", line);
    seconds += event.wall_ms / 1e3;
  }
  if (!flags["json"].as<bool>())
    fmt::print("{} events, {} of compiling\n", events.size(), human_seconds(seconds));
  return {};
}

}  // namespace

Verb recompiles_verb() {
  return {"recompiles",
          "list the recompile events of a session",
          "list EVENTS.jsonl [--json]",
          "tessera recompiles list events.jsonl",
          flags,
          "words",
          run};
}

}  // namespace tessera::tools
