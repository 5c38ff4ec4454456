// SPDX-License-Identifier: Apache-2.0
// Recompile events, one a line: each read and written again to the same, the whole log read and
// advised on.
#include "session/events.h"

#include "session/advise.h"
#include "session/key.h"
#include "tests/fuzz/json_mutator.h"
#include "tests/fuzz/target.h"

namespace tessera::fuzz {
namespace {

void read_line(const std::string& line) {
  const auto event = parse_event(line);
  if (!event) return demand(!event.error().message.empty(), "an error without words");
  note("lines read");
  const std::string written = to_json_line(*event);
  demand(written.find('\n') == std::string::npos, "an event of two lines");
  const auto again = parse_event(written);
  demand(again.ok(),
         "a written event cannot be read: " + (again.ok() ? std::string() : again.error().message));
  demand(to_json_line(*again) == written, "written and read, it is another");
  to_human_line(*event);
  key_of(*event);
}

}  // namespace

void run(std::string_view input) {
  for (size_t begin = 0; begin < input.size();) {
    const size_t end = std::min(input.find('\n', begin), input.size());
    read_line(std::string(input.substr(begin, end - begin)));
    begin = end + 1;
  }
  const auto events = read_events(file_of(input, ".jsonl"));
  if (!events) return;
  note("logs read");
  advise(*events);
}

std::string mutate(std::string_view input, Random& random) {
  return mutate_json_lines(input, random);
}

}  // namespace tessera::fuzz
