// SPDX-License-Identifier: Apache-2.0
// session/events.def, and what must agree with it: the JSON of events, docs/recompiles.md and the
// types of the Python package.
#include "session/event_words.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "session/events.h"
#include "support/file.h"
#include "tests/helpers/paths.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

std::string text_of(const std::string& path) {
  Expected<std::string> text = read_text_file(test::source_dir() + "/" + path);
  EXPECT_TRUE(text.ok()) << text.error().message;
  return text.ok() ? text.take() : "";
}

template <class Check>
void for_each_enum(const Check& check) {
  const auto call = [&](auto... values) { (check(values), ...); };
  call(EventKind{}, Cause{}, CacheTier{}, CacheOutcome{}, OnRecompile{}, PolicyAction{},
       Ingredient{}, AdviceRule{});
}

template <class T>
void expect_order(T any) {
  std::set<std::string_view> words;
  const auto rows = words_of(any);
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(static_cast<size_t>(rows[i].value), i);
    EXPECT_TRUE(words.insert(rows[i].word).second) << rows[i].word;
    EXPECT_EQ(to_string(rows[i].value), rows[i].word);
    EXPECT_EQ(parse_word<T>(rows[i].word), rows[i].value);
    EXPECT_FALSE(rows[i].sentence.empty()) << rows[i].word;
  }
  EXPECT_EQ(parse_word<T>("of another version"), std::nullopt);
}

TEST(EventWords, stand_in_the_order_of_their_values_and_only_once) {
  for_each_enum([](auto any) { expect_order(any); });
}

// The rows of one enum follow each other, so that none stands there that the table lacks.
template <class T>
void expect_rows_of_the_docs(T any) {
  const std::string page = text_of("docs/recompiles.md");
  size_t last = std::string::npos;
  for (const auto& row : words_of(any)) {
    const std::string line = fmt::format("\n| `{}` | {} |", row.word, row.sentence);
    const size_t at = page.find(line);
    ASSERT_NE(at, std::string::npos) << "docs/recompiles.md must have the row " << line;
    if (last != std::string::npos) {
      EXPECT_EQ(page.find("\n", last + 1), at) << row.word << " must follow the word before it";
    }
    last = at;
  }
  const size_t next = page.find("\n", last + 1);
  EXPECT_NE(page.substr(next, 2), "\n|") << "the table of the docs has a row more";
}

TEST(EventWords, are_rows_of_the_docs) {
  for_each_enum([](auto any) { expect_rows_of_the_docs(any); });
}

TEST(EventWordsOfPython, name_each_policy) {
  const std::string types = text_of("python/tessera/types.py");
  for (const EventWord<OnRecompile>& row : words_of(OnRecompile{}))
    EXPECT_THAT(types, HasSubstr(fmt::format("``\"{}\"``", row.word)));
}

template <class T>
void expect_read_back(const std::function<void(RecompileEvent&, T)>& set) {
  for (const auto& row : words_of(T{})) {
    RecompileEvent event;
    set(event, row.value);
    const std::string line = to_json_line(event);
    EXPECT_THAT(line, HasSubstr(fmt::format("\"{}\"", row.word)));
    const auto again = parse_event(line);
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(*again, event) << row.word;
  }
}

TEST(EventWordsOfJson, are_written_and_read) {
  expect_read_back<EventKind>([](auto& event, auto kind) { event.kind = kind; });
  expect_read_back<Cause>([](auto& event, auto cause) { event.causes = {cause, Cause::Limit}; });
  expect_read_back<CacheTier>([](auto& event, auto tier) { event.cache.tier = tier; });
  expect_read_back<CacheOutcome>([](auto& event, auto outcome) { event.cache.outcome = outcome; });
  expect_read_back<OnRecompile>([](auto& event, auto stance) { event.policy.stance = stance; });
  expect_read_back<PolicyAction>([](auto& event, auto action) { event.policy.action = action; });
  expect_read_back<Ingredient>([](auto& event, auto component) {
    event.changes = {
        {component, "", "a", "b"}
    };
  });
  expect_read_back<AdviceRule>([](auto& event, auto rule) {
    event.advice = {
        {rule, "", 1}
    };
  });
}

TEST(EventWordsOfJson, that_the_table_lacks_are_errors_that_list_what_may_be) {
  std::string line = to_json_line(RecompileEvent());
  const std::string word = "cold_compile";
  line.replace(line.find(word), word.size(), "brew");
  const auto event = parse_event(line);
  ASSERT_FALSE(event.ok());
  EXPECT_EQ(event.error().message,
            "kind is 'brew', must be cold_compile, recompile, cache_load, bucket_hit, rejected, "
            "evicted or closed");
  EXPECT_EQ(event.error().type, kUnknownWord);
}

// The log stands in the tree since the words were strings in the code.
TEST(EventWordsOfJson, of_an_older_build_are_written_to_the_same_bytes) {
  const std::string log = text_of("tests/fuzz/corpus/events/two.jsonl");
  std::string again;
  for (size_t begin = 0; begin < log.size();) {
    const size_t end = std::min(log.find('\n', begin), log.size());
    const auto event = parse_event(log.substr(begin, end - begin));
    ASSERT_TRUE(event.ok()) << event.error().message;
    again += to_json_line(*event) + "\n";
    begin = end + 1;
  }
  EXPECT_EQ(again, log);
}

}  // namespace
}  // namespace tessera
