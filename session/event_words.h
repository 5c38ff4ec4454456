// SPDX-License-Identifier: Apache-2.0
// The words of events as enums, made from session/events.def: EventKind, Cause, CacheTier,
// CacheOutcome, OnRecompile, PolicyAction, Ingredient, AdviceRule. Each has to_string and
// parse_word; words_of returns its rows in the table's order.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// clang-format off
#define WORDS(Type) enum class Type : uint8_t {
#define WORD(Type, Name, ...) Name,
#define END_OF_WORDS(Type) };
// clang-format on
#include "session/events.def"
#undef WORDS
#undef WORD
#undef END_OF_WORDS

template <class T>
struct EventWord {
  T value;
  std::string_view word, sentence;
};
template <>
struct EventWord<Cause> {
  Cause value;
  std::string_view word, sentence;
  std::optional<AdviceRule> rule = {};  // for a compile that has this cause alone
};

// clang-format off
#define WORDS(Type) inline constexpr EventWord<Type> kWordsOf##Type[] = {
#define WORD(Type, Name, ...) {Type::Name, __VA_ARGS__},
#define END_OF_WORDS(Type) }; \
  constexpr auto words_of(Type) { return std::span(kWordsOf##Type); }
// clang-format on
#include "session/events.def"
#undef WORDS
#undef WORD
#undef END_OF_WORDS

// The rule that advises on a compile that has this cause alone; nothing where there is none.
constexpr std::optional<AdviceRule> rule_of(Cause cause) {
  return kWordsOfCause[static_cast<size_t>(cause)].rule;
}

// An enum of the table.
template <class T>
concept EventEnum = requires { words_of(T{}); };

template <EventEnum T>
constexpr std::string_view to_string(T value) {
  return words_of(value)[static_cast<size_t>(value)].word;
}
template <EventEnum T>
constexpr std::string_view to_string(const std::optional<T>& value) {
  return value ? to_string(*value) : "";
}
template <EventEnum T>
std::vector<std::string_view> to_words(const std::vector<T>& values) {
  std::vector<std::string_view> words;
  for (const T value : values) words.push_back(to_string(value));
  return words;
}

// Nothing if the table does not have the word.
template <EventEnum T>
constexpr std::optional<T> parse_word(std::string_view word) {
  for (const EventWord<T>& row : words_of(T{}))
    if (row.word == word) return row.value;
  return std::nullopt;
}

// "allow, warn, pad or fail", for errors.
template <EventEnum T>
std::string list_of_words() {
  std::string list;
  const auto rows = words_of(T{});
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i > 0) list += i + 1 == rows.size() ? " or " : ", ";
    list += rows[i].word;
  }
  return list;
}

}  // namespace tessera
