// SPDX-License-Identifier: Apache-2.0
#include "report/html.h"

#include <fmt/format.h>

#include <algorithm>

#include "support/human.h"

namespace tessera {

std::string html_escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      case '\'': escaped += "&#39;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

std::string json_in_script(const nlohmann::ordered_json& json) {
  std::string escaped;
  for (const char c : json.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace)) {
    switch (c) {
      case '<': escaped += "\\u003c"; break;
      case '>': escaped += "\\u003e"; break;
      case '&': escaped += "\\u0026"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

HtmlCell text_cell(std::string text, std::string link) {
  return {std::move(text), {}, std::move(link)};
}
HtmlCell count_cell(int64_t count) { return {human_count(count), static_cast<double>(count), {}}; }
HtmlCell share_cell(double share) { return {fmt::format("{:.1f} %", 100 * share), share, {}}; }
HtmlCell seconds_cell(double seconds) { return {human_seconds(seconds), seconds, {}}; }
HtmlCell change_cell(int64_t change) {
  const std::string sign = change > 0 ? "+" : change < 0 ? "−" : "±";
  return {sign + human_count(std::abs(change)), static_cast<double>(change), {}};
}
HtmlCell no_cell() { return {"", 0, {}}; }

HtmlTable::HtmlTable(std::string name, std::string caption, std::vector<std::string> titles)
    : name_(std::move(name)),
      caption_(std::move(caption)),
      titles_(std::move(titles)),
      is_number_(titles_.size(), true) {}

void HtmlTable::add(const std::vector<HtmlCell>& cells) {
  if (rows_ >= kMostRows) {
    ++rows_;
    return;
  }
  body_ += fmt::format("<tr id=\"{}/{}\">", name_, rows_++);
  for (size_t i = 0; i < cells.size(); ++i) {
    const HtmlCell& cell = cells[i];
    if (!cell.value) is_number_[i] = false;
    std::string text = html_escaped(cell.text);
    if (!cell.link.empty())
      text = fmt::format("<a href=\"{}\">{}</a>", html_escaped(cell.link), text);
    body_ += cell.value ? fmt::format("<td class=\"n\" data-v=\"{}\">{}</td>", *cell.value, text)
                        : "<td>" + text + "</td>";
  }
  body_ += "</tr>\n";
}

std::string HtmlTable::html() const {
  std::string head;
  for (size_t i = 0; i < titles_.size(); ++i)
    head += fmt::format("<th scope=\"col\"{}>{}</th>", is_number_[i] ? " class=\"n\"" : "",
                        html_escaped(titles_[i]));
  std::string caption = html_escaped(caption_);
  if (rows_ > kMostRows)
    caption += fmt::format(" The first {} of {}; the data in this file has all.",
                           human_count(kMostRows), human_count(static_cast<int64_t>(rows_)));
  return fmt::format(
      "<div class=\"table\"><table id=\"table-{}\"><caption>{}</caption><thead><tr>{}</tr></thead>"
      "<tbody>\n{}</tbody></table></div>\n",
      name_, caption, head, body_);
}

std::string percent_text(const nlohmann::ordered_json& share) {
  return fmt::format("{:.1f} %", 100 * share.get<double>());
}
std::string seconds_text(const nlohmann::ordered_json& seconds) {
  return human_seconds(seconds.get<double>());
}
std::string count_text(const nlohmann::ordered_json& count) {
  return human_count(count.get<int64_t>());
}

std::string in_words(std::string name) {
  std::ranges::replace(name, '_', ' ');
  return name;
}

std::string pairs_text(const nlohmann::ordered_json& counts) {
  std::string text;
  for (const auto& [word, number] : counts.items())
    text += (text.empty() ? "" : ", ") + in_words(word) + " " + number.dump();
  return text;
}

std::string html_facts(const HtmlFacts& facts) {
  std::string html = "<dl>\n";
  for (const auto& [name, what] : facts)
    html +=
        fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", html_escaped(name), html_escaped(what));
  return html + "</dl>\n";
}

}  // namespace tessera
