// SPDX-License-Identifier: Apache-2.0
#include "compiler/option_values.h"

#include <fmt/format.h>

#include <utility>

namespace tessera {
namespace {

// The text before the first `separator`, and the text behind it.
std::pair<std::string_view, std::string_view> cut(std::string_view text, char separator) {
  const size_t at = text.find(separator);
  if (at == text.npos) return {text, {}};
  return {text.substr(0, at), text.substr(at + 1)};
}

}  // namespace

std::string option_text(const OptionValues& values) {
  std::string text;
  for (const auto& [name, value] : values) text += fmt::format("{} {}\n", name, value);
  return text;
}

OptionValues parse_option_values(std::string_view text) {
  OptionValues values;
  while (!text.empty()) {
    const auto [line, rest] = cut(text, '\n');
    const auto [name, value] = cut(line, ' ');
    if (!name.empty()) values.push_back({std::string(name), std::string(value)});
    text = rest;
  }
  return values;
}

OptionValues target_values(const Target& target) {
  OptionValues values = {
      {"name", target.name}
  };
  for_each_field(target, [&values](const char* field, auto value) {
    values.push_back({field, fmt::format("{}", value)});
  });
  return values;
}

std::string target_text(const OptionValues& values) {
  std::string text;
  for (const auto& [name, value] : values)
    text += text.empty() ? value : fmt::format(" {}={}", name, value);
  return text;
}

OptionValues parse_target_values(std::string_view text) {
  OptionValues values;
  while (!text.empty()) {
    const auto [word, rest] = cut(text, ' ');
    // The name may hold an equals sign: "c600,tiles=736".
    const auto [name, value] =
        values.empty() ? std::pair(std::string_view("name"), word) : cut(word, '=');
    if (!word.empty()) values.push_back({std::string(name), std::string(value)});
    text = rest;
  }
  return values;
}

}  // namespace tessera
