// SPDX-License-Identifier: Apache-2.0
// Events for people: what differs from what was there, and one line that says so.
#include "session/events.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "support/file.h"

namespace tessera {
namespace {

// The axes of token inputs have names that everyone uses.
std::string axis_name(size_t axis, size_t rank) {
  if (rank < 2) return "";
  if (axis == 0) return "batch";
  return axis == 1 && rank == 2 ? "seq" : "";
}

std::string human_time(double ms) {
  return ms < 1000 ? fmt::format("{:.0f} ms", ms) : fmt::format("{:.1f} s", ms / 1000);
}

std::string human_size(int64_t size) { return size < 0 ? "none" : std::to_string(size); }

std::string human_shapes(const InputShapes& shapes) {
  std::string text;
  for (const auto& [name, shape] : shapes) {
    text += (text.empty() ? "" : ", ") + name + " " + to_string(shape);
  }
  return text;
}

std::string human_difference(const std::vector<ShapeDifference>& difference) {
  std::string text;
  for (const ShapeDifference& d : difference) {
    text += fmt::format("{}{} axis {}{} {} -> {}", text.empty() ? "" : ", ", d.input, d.axis,
                        d.axis_name.empty() ? "" : " (" + d.axis_name + ")", human_size(d.before),
                        human_size(d.after));
  }
  return text;
}

}  // namespace

std::vector<ShapeDifference> compare_shapes(const InputShapes& before, const InputShapes& after) {
  std::set<std::string> names;
  for (const auto& [name, shape] : before) names.insert(name);
  for (const auto& [name, shape] : after) names.insert(name);
  std::vector<ShapeDifference> difference;
  for (const std::string& name : names) {
    const auto find = [&](const InputShapes& shapes) {
      const auto found = shapes.find(name);
      return found == shapes.end() ? Shape{} : found->second;
    };
    const Shape was = find(before), is = find(after);
    const size_t rank = std::max(was.size(), is.size());
    for (size_t axis = 0; axis < rank; ++axis) {
      const int64_t a = axis < was.size() ? was[axis] : -1;
      const int64_t b = axis < is.size() ? is[axis] : -1;
      if (a == b) continue;
      difference.push_back({name, static_cast<int64_t>(axis), axis_name(axis, rank), a, b});
    }
  }
  return difference;
}

int64_t nearest_shapes(const std::vector<const InputShapes*>& known, const InputShapes& wanted) {
  std::tuple<size_t, uint64_t, int64_t> best{0, 0, -1};
  for (size_t i = 0; i < known.size(); ++i) {
    const std::vector<ShapeDifference> difference = compare_shapes(*known[i], wanted);
    uint64_t total = 0;
    for (const ShapeDifference& d : difference) {
      total += static_cast<uint64_t>(std::max(d.before, d.after) - std::min(d.before, d.after));
    }
    const std::tuple distance{difference.size(), total, static_cast<int64_t>(i)};
    if (std::get<2>(best) < 0 || distance < best) best = distance;
  }
  return std::get<2>(best);
}

std::string to_human_line(const RecompileEvent& event) {
  std::string line = fmt::format("{} #{} {}  {}  cause={}", event.kind, event.id, event.model,
                                 human_time(event.wall_ms), event.cause);
  const std::string difference = human_difference(event.difference);
  line += "  " + (difference.empty() ? human_shapes(event.shapes) : difference);
  if (event.nearest >= 0) line += fmt::format("  nearest #{}", event.nearest);
  line += fmt::format("  blocked {} request{}", event.requests_blocked,
                      event.requests_blocked == 1 ? "" : "s");
  if (!event.error.empty()) line += "  failed: " + event.error;
  return line;
}

Expected<std::vector<RecompileEvent>> read_events(const std::string& path) {
  const std::string text = TRY(read_text_file(path));
  std::vector<RecompileEvent> events;
  int64_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    Expected<RecompileEvent> event = parse_event(line);
    if (!event) {
      return Error{fmt::format("{}: line {}: {}", path, number, event.error().message),
                   ErrorKind::BadFile};
    }
    events.push_back(event.take());
  }
  return events;
}

}  // namespace tessera
