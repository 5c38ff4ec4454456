// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/text_mutator.h"

#include <cctype>
#include <charconv>
#include <iterator>
#include <vector>

namespace tessera::fuzz {
namespace {

enum class Kind : uint8_t { Number, Name, Other };

struct Word {
  Kind kind;
  std::string_view text;
};

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }
bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

std::vector<Word> words_of(std::string_view text) {
  std::vector<Word> words;
  while (!text.empty()) {
    const bool number =
        is_digit(text[0]) || (text[0] == '-' && text.size() > 1 && is_digit(text[1]));
    size_t end = 1;
    if (number)
      while (end < text.size() && is_digit(text[end])) ++end;
    else if (is_name(text[0]))
      while (end < text.size() && is_name(text[end])) ++end;
    const Kind kind = number ? Kind::Number : is_name(text[0]) ? Kind::Name : Kind::Other;
    words.push_back({kind, text.substr(0, end)});
    text.remove_prefix(end);
  }
  return words;
}

std::string other_word(const Word& word, const std::vector<Word>& words, Random& random) {
  if (word.kind == Kind::Number && !random.one_in(4)) {
    int64_t value = 0;
    std::from_chars(word.text.data(), word.text.data() + word.text.size(), value);
    return std::to_string(other_number(value, random));
  }
  for (int tries = 0; tries < 32; ++tries) {
    const Word& other = words[random.below(words.size())];
    if (other.kind == word.kind && other.text != word.text) return std::string(other.text);
  }
  return odd_text(random);
}

std::string change_a_word(std::string_view text, Random& random) {
  const std::vector<Word> words = words_of(text);
  size_t at = random.below(words.size());
  for (int tries = 0; tries < 16 && words[at].kind == Kind::Other; ++tries)
    at = random.below(words.size());
  // Now and then wherever it stands.
  const bool all = words[at].kind != Kind::Other && random.one_in(3);
  const std::string other = other_word(words[at], words, random);
  std::string changed;
  for (size_t i = 0; i < words.size(); ++i) {
    const bool same = all && words[i].text == words[at].text;
    changed += same || i == at ? std::string_view(other) : words[i].text;
  }
  return changed;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

std::string change_lines(std::string_view text, Random& random) {
  std::vector<std::string_view> lines = lines_of(text);
  const size_t at = random.below(lines.size()), other = random.below(lines.size());
  const auto place = lines.begin() + static_cast<ptrdiff_t>(at);
  switch (random.below(4)) {
    case 0: lines.erase(place); break;
    case 1: lines.insert(place, lines[other]); break;
    case 2: std::swap(lines[at], lines[other]); break;
    default: lines[at] = lines[at].substr(0, random.below(lines[at].size() + 1));
  }
  std::string changed;
  for (const std::string_view line : lines) changed += line;
  return changed;
}

std::string change_a_run(std::string_view text, Random& random) {
  std::string changed(text);
  const size_t at = random.below(text.size()), length = 1 + random.below(24);
  if (random.one_in(2))
    changed.erase(at, length);
  else
    changed.insert(random.below(text.size()), std::string(text.substr(at, length)));
  return changed;
}

}  // namespace

std::string odd_text(Random& random) {
  static const std::string_view kOdd[] = {
      "",     "\x1b[31m", "\xc2\x9b", "\xe2\x80\xae", "\xff\xfe", "\"", "\\",  "\n",  "\r\n",
      "../x", "/",        "nan",      "inf",          "1e999",    "{",  "}}}", "[[[", "-",
      "%",    "a b",      "NaN",      "0x1p3",        "\t",       ":",  ",,",  "#",   "\xf4\x90",
  };
  switch (random.below(12)) {
    case 0: return std::string(1 + random.below(5000), 'x');
    case 1: return std::string(1 + random.below(3000), '(');
    case 2: return std::string(1 + random.below(3), '\0');
    default: return std::string(kOdd[random.below(std::size(kOdd))]);
  }
}

std::string mutate_text(std::string_view text, Random& random) {
  if (text.empty()) return odd_text(random);
  switch (random.below(8)) {
    case 0:
    case 1: return change_lines(text, random);
    case 2: return change_a_run(text, random);
    case 3: {
      std::string changed(text);
      return changed.insert(random.below(text.size() + 1), odd_text(random));
    }
    default: return change_a_word(text, random);
  }
}

}  // namespace tessera::fuzz
