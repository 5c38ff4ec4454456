// SPDX-License-Identifier: Apache-2.0
// tessera recompiles: what was compiled, why, and at what price, from an events file; and what to
// do about it.
#include <fmt/format.h>

#include <algorithm>

#include "session/events.h"
#include "support/human.h"
#include "tools/flags/flags.h"
#include "tools/print/print.h"
#include "tools/verbs/recompiles_print.h"
#include "tools/verbs/report_inputs.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

using Words = std::vector<std::string>;

po::options_description recompiles_flags() {
  po::options_description flags("Recompiles");
  flags.add_options()("words", po::value<Words>(),
                      "list, show N, diff A B or advise; then the file")(
      "json", po::bool_switch(), "print JSON: events as their lines, advice as one object a model");
  po::options_description all;
  all.add(flags).add(limit_flags());
  return all;
}

Error usage(std::string message) { return {std::move(message), ErrorKind::Usage}; }

struct Command {
  std::string verb, file;
  std::vector<size_t> numbers;
};

// Numbers and the file in any order.
Expected<Command> command_of(const Words& words) {
  constexpr const char* kForms =
      "must be 'list FILE', 'show N FILE', 'diff A B FILE' or 'advise FILE'";
  const std::map<std::string, size_t> wanted = {
      {"list",   0},
      {"show",   1},
      {"diff",   2},
      {"advise", 0}
  };
  if (words.empty() || !wanted.contains(words[0]))
    return usage(fmt::format("recompiles: {}", kForms));
  Command command{.verb = words[0], .file = {}, .numbers = {}};
  for (size_t i = 1; i < words.size(); ++i) {
    const bool digits = !words[i].empty() && words[i].size() <= 9 &&
                        std::ranges::all_of(words[i], [](char c) { return c >= '0' && c <= '9'; });
    if (digits && command.numbers.size() < wanted.at(command.verb)) {
      command.numbers.push_back(std::stoul(words[i]));
    } else if (command.file.empty()) {
      command.file = words[i];
    } else {
      return usage(fmt::format("recompiles: '{}' is too much, {}", words[i], kForms));
    }
  }
  if (command.file.empty() || command.numbers.size() < wanted.at(command.verb))
    return usage(fmt::format("recompiles {}: something is missing, {}", command.verb, kForms));
  return command;
}

void list(const std::vector<RecompileEvent>& events) {
  double seconds = 0;
  size_t compiles = 0, shown = 0;
  for (const RecompileEvent& event : events) {
    if (event.kind == EventKind::Closed) continue;  // it only tells what was served
    print("{}\n", to_human_line(event));
    ++shown;
    if (!event.is_compile()) continue;
    seconds += event.wall_ms / 1e3;
    ++compiles;
  }
  print("{} events, {} compiles, {} of compiling\n", shown, compiles, human_seconds(seconds));
}

Status do_recompiles(const po::variables_map& flags) {
  const Command command =
      TRY(command_of(flags.count("words") ? flags["words"].as<Words>() : Words()));
  const bool json = flags["json"].as<bool>();
  std::vector<RecompileEvent> events = TRY(events_of(command.file, TRY(limits_of(flags))));
  if (command.verb == "list" && json) {
    for (const RecompileEvent& event : events) print("{}\n", to_json_line(event));
    return {};
  }
  if (command.verb == "advise") {
    print_advice(advise(events), json);
    return {};
  }
  number_by_place(events);
  for (const size_t number : command.numbers)
    if (number >= events.size())
      return usage(fmt::format("{}: has no event {}, must be below {}", command.file, number,
                               events.size()));
  if (command.verb == "list") list(events);
  if (command.verb == "show") print_event(events[command.numbers[0]], json);
  if (command.verb == "diff")
    print_difference(events[command.numbers[0]], events[command.numbers[1]], json);
  return {};
}

}  // namespace

Verb recompiles_verb() {
  return {
      "explain the recompile events of sessions, and what to do about them",
      "list|show N|diff A B|advise EVENTS.jsonl [--json]",
      "tessera recompiles list events.jsonl\n"
      "  tessera recompiles advise events.jsonl",
      recompiles_flags,
      "words",
      do_recompiles,
      false,
      {"list", "show", "diff", "advise"}
  };
}

}  // namespace tessera::tools
