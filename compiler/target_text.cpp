// SPDX-License-Identifier: Apache-2.0
// A preset with some of its numbers replaced, to ask what a machine with half the tiles would do.
// The name of such a target is its spelling, so that reports say what was asked.
#include "compiler/target_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <sstream>

#include "program/bounds.h"

namespace tessera {
namespace {

constexpr double kMaxInteger = 4e9;
constexpr double kMaxReal = 1e15;

Error wrong(const std::string& word, const std::string& must) {
  return {fmt::format("target {}: must be {}", word, must), ErrorKind::Usage};
}

std::string known_names() {
  std::vector<std::string> names;
  const Target any;
  const auto add = [&](const char* name, auto) { names.emplace_back(name); };
  for_each_ipu_field(any, add);
  for_each_link_field(any, add);
  return fmt::format("{}", fmt::join(names, ", "));
}

template <class T>
Status set_number(const std::string& word, std::string_view text, double limit, T& field) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto number = static_cast<double>(value);
  if (error != std::errc() || end != text.data() + text.size() || !(number > 0 && number <= limit))
    return wrong(word, fmt::format("a {}number above 0 and at most {:g}",
                                   std::is_integral_v<T> ? "whole " : "", limit));
  field = value;
  return {};
}

Status set_field(const std::string& word, Target& target) {
  const size_t equals = word.find('=');
  const std::string_view text = std::string_view(word).substr(equals + 1);
  Status status = wrong(word, "one of " + known_names());
  const auto set = [&](const char* name, auto& field) {
    if (word.substr(0, equals) != name) return;
    const bool whole = std::is_same_v<decltype(field), int64_t&>;
    const bool counts_tiles = name == std::string_view("tiles") || name == std::string_view("ipus");
    const double limit = counts_tiles ? kMaxTiles : whole ? kMaxInteger : kMaxReal;
    status = set_number(word, text, limit, field);
  };
  for_each_ipu_field(target, set);
  for_each_link_field(target, set);
  return status;
}

}  // namespace

Expected<Target> parse_target(const std::vector<std::string>& words) {
  std::vector<std::string> presets, changes;
  for (const std::string& word : words) {
    std::istringstream parts(word);
    for (std::string part; std::getline(parts, part, ',');)
      (part.find('=') == part.npos ? presets : changes).push_back(part);
  }
  if (presets.size() > 1) return wrong(presets[1], "given once, is also " + presets[0]);
  Target target = TRY(target_preset(presets.empty() ? "c600" : presets[0]));
  for (const std::string& change : changes) {
    TRY(set_field(change, target));
    target.name += "," + change;
  }
  return target;
}

}  // namespace tessera
