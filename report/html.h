// SPDX-License-Identifier: Apache-2.0
// HTML from data: every text is escaped here, so that a caller cannot forget it.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// For text between tags and for values in quotes.
std::string html_escaped(std::string_view text);
// JSON for a script tag: ASCII, and without '<', '>' and '&'.
std::string json_in_script(const nlohmann::ordered_json& json);

struct HtmlCell {
  std::string text;
  std::optional<double> value;  // what it is sorted by; else its text
  std::string link;             // "#supersteps/3"
};
HtmlCell text_cell(std::string text, std::string link = {});
HtmlCell count_cell(int64_t count);     // "12,345"
HtmlCell share_cell(double share);      // "12.3 %"
HtmlCell seconds_cell(double seconds);  // "3.32 ms"
HtmlCell change_cell(int64_t change);   // "+12,345"
HtmlCell no_cell();                     // empty

class HtmlTable {
 public:
  // `name`: the table is "table-NAME", and its rows are "NAME/0", "NAME/1", ….
  HtmlTable(std::string name, std::string caption, std::vector<std::string> titles);
  void add(const std::vector<HtmlCell>& cells);
  // With the first kMostRows rows.
  std::string html() const;

 private:
  static constexpr size_t kMostRows = 2000;
  std::string name_, caption_, body_;
  std::vector<std::string> titles_;
  std::vector<bool> is_number_;
  size_t rows_ = 0;
};

// Numbers of a document in words, as the cells of the same names have them.
std::string percent_text(const nlohmann::ordered_json& share);
std::string seconds_text(const nlohmann::ordered_json& seconds);
std::string count_text(const nlohmann::ordered_json& count);
// A name with spaces: "first_seen" is "first seen".
std::string in_words(std::string name);
// An object of numbers, its names in words: "a 1, b 2".
std::string pairs_text(const nlohmann::ordered_json& counts);

// Pairs of a name and what it is.
using HtmlFacts = std::vector<std::pair<std::string, std::string>>;
std::string html_facts(const HtmlFacts& facts);

}  // namespace tessera
