// SPDX-License-Identifier: Apache-2.0
// Events for people: the difference to the nearest executable, and the event in one line; and logs.
#include "session/events.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "compiler/option_values.h"
#include "support/file.h"
#include "support/plain_text.h"

namespace tessera {
namespace {

std::string human_time(double ms) {
  return ms < 1000 ? fmt::format("{:.0f} ms", ms) : fmt::format("{:.1f} s", ms / 1000);
}

std::string human_size(int64_t size) { return size < 0 ? "none" : std::to_string(size); }

// Inputs that differ in the same way share one sentence, input_ids first:
// "input_ids axis 1 (seq) 171 -> 173 (attention_mask, token_type_ids too)".
class Sentences {
 public:
  void add(const std::string& input, const std::string& what) {
    const auto found = std::ranges::find(all_, what, &Sentence::what);
    Sentence& one = found == all_.end() ? all_.emplace_back(Sentence{what, {}}) : *found;
    one.inputs.insert(input == "input_ids" ? one.inputs.begin() : one.inputs.end(), input);
  }
  std::vector<std::string> take() const {
    std::vector<std::string> parts;
    for (const auto& [what, inputs] : all_) {
      const std::vector<std::string> others(inputs.begin() + 1, inputs.end());
      parts.push_back(inputs[0] + " " + what);
      if (!others.empty()) parts.back() += fmt::format(" ({} too)", fmt::join(others, ", "));
    }
    return parts;
  }

 private:
  struct Sentence {
    std::string what;
    std::vector<std::string> inputs;
  };
  std::vector<Sentence> all_;
};

// A writer that was cut off leaves the front of an object.
bool is_json(const std::string& line) { return nlohmann::json::accept(line); }

// "2 lines were cut off and left out: line 2, 4"
std::string left_out_in_words(const std::vector<std::string>& lines, const std::string& why) {
  constexpr size_t kMostNamed = 10;
  const size_t named = std::min(lines.size(), kMostNamed);
  return fmt::format("{} line{} {} and left out: line {}{}", lines.size(),
                     lines.size() == 1 ? " was" : "s were", why,
                     fmt::join(lines.begin(), lines.begin() + static_cast<ptrdiff_t>(named), ", "),
                     named < lines.size() ? " …" : "");
}

// Lines of a log that this version cannot read as events, and that do not make the log a bad file.
struct LeftOut {
  std::vector<std::string> torn, foreign;

  std::string in_words(const std::string& path) const {
    std::string words;
    if (!torn.empty()) words = path + ": " + left_out_in_words(torn, "cut off");
    if (foreign.empty()) return words;
    if (!words.empty()) words += "; ";
    return words + path + ": " + left_out_in_words(foreign, "of another version");
  }
};

}  // namespace

std::string to_string(const InputShapes& shapes) {
  Sentences sentences;
  for (const auto& [name, shape] : shapes) sentences.add(name, to_string(shape));
  return fmt::format("{}", fmt::join(sentences.take(), ", "));
}

std::string difference_in_words(const std::vector<ShapeDifference>& shapes,
                                const std::vector<KeyChange>& changes) {
  Sentences sentences;
  for (const ShapeDifference& d : shapes)
    sentences.add(d.input, fmt::format("axis {}{} {} -> {}", d.axis,
                                       d.axis_name.empty() ? "" : " (" + d.axis_name + ")",
                                       human_size(d.before), human_size(d.after)));
  std::vector<std::string> parts = sentences.take();
  for (const KeyChange& change : changes)
    parts.push_back(fmt::format("{}{} {} -> {}", to_string(change.component),
                                change.what.empty() ? "" : " " + change.what, change.before,
                                change.after));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string to_human_line(const RecompileEvent& event) {
  if (event.kind == EventKind::Closed)  // nothing was compiled, so nothing else is known of it
    return visible(fmt::format("{} #{} {}", to_string(event.kind), event.id, event.model));
  std::string line = fmt::format("{} #{} {}  {}  cause={}", to_string(event.kind), event.id,
                                 event.model, human_time(event.wall_ms), to_string(event.cause()));
  const std::string difference = difference_in_words(event.difference, event.changes);
  line += "  " + (difference.empty() ? to_string(event.shapes) : difference);
  if (event.nearest >= 0)
    line += fmt::format("  nearest #{}", event.nearest);
  else if (!event.nearest_key.empty())
    line += fmt::format("  nearest {} in the cache", event.nearest_key.substr(0, 12));
  if (event.policy.action == PolicyAction::PaddedTo)
    line += "  padded to " + to_string(event.policy.padded_to);
  if (event.requests_blocked > 0)
    line += fmt::format("  blocked {} request{}", event.requests_blocked,
                        event.requests_blocked == 1 ? "" : "s");
  if (event.requests_blocked > 1) line += " " + human_time(event.blocked_ms);
  if (event.cache.saved_seconds > 0)
    line += fmt::format("  saved {}", human_time(event.cache.saved_seconds * 1e3));
  if (!event.cache.error.empty()) line += "  cache: " + event.cache.error;
  if (!event.error.empty()) line += "  failed: " + event.error;
  return visible(line);
}

namespace {

// At most: the vector has grown to twice what it holds, and a name and its numbers are nodes of
// maps.
int64_t bytes_of_event(std::string_view line) {
  constexpr int64_t kBytesOfByte = 16;
  return static_cast<int64_t>(2 * sizeof(RecompileEvent)) + kBytesOfByte * std::ssize(line);
}

}  // namespace

Expected<std::vector<RecompileEvent>> read_events(const std::string& path, std::string* warning,
                                                  const Limits& limits) {
  const std::string text = TRY(read_text_file(path));
  const Deadline deadline(limits);
  Budget memory(limits, &Limits::memory);
  TRY(memory.spend(std::ssize(text), path));
  std::vector<RecompileEvent> events;
  LeftOut left_out;
  int64_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    TRY(memory.spend(bytes_of_event(line), path));
    TRY(deadline.check(path));
    Expected<RecompileEvent> event = parse_event(line);
    if (event.ok()) {
      events.push_back(event.take());
    } else if (line.front() == '{' && !is_json(line)) {
      left_out.torn.push_back(std::to_string(number));
    } else if (event.error().type == kUnknownWord) {
      left_out.foreign.push_back(fmt::format("{} ({})", number, event.error().message));
    } else {
      return Error{fmt::format("{}: line {}: {}", path, number, event.error().message),
                   ErrorKind::BadFile};
    }
  }
  if (warning) *warning = visible(left_out.in_words(path));
  return events;
}

void number_by_place(std::vector<RecompileEvent>& events) {
  std::map<std::pair<std::string, int64_t>, int64_t> places;
  for (size_t i = 0; i < events.size(); ++i) {
    RecompileEvent& event = events[i];
    if (event.nearest >= 0) {
      const auto found = places.find({event.run_id, event.nearest});
      event.nearest = found == places.end() ? -1 : found->second;
    }
    places[{event.run_id, event.id}] = static_cast<int64_t>(i);
    event.id = static_cast<int64_t>(i);
  }
}

}  // namespace tessera
