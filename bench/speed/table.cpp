// SPDX-License-Identifier: Apache-2.0
#include "bench/speed/table.h"

#include <fmt/format.h>

#include <algorithm>

#include "support/check.h"

namespace tessera::speed {
namespace {

std::string number(double value) {
  const double size = std::abs(value);
  return fmt::format("{:.{}f}", value, size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

std::string with_unit(double value, const std::string& unit) {
  return number(value) + (unit == "x" || unit == "%" ? unit : " " + unit);
}

std::string goal_text(const Row& row) {
  if (!row.goal) return "";
  return (row.bound == Bound::AtLeast ? ">= " : "<= ") + with_unit(*row.goal, row.unit);
}

}  // namespace

Spread spread_of(std::vector<double> values) {
  CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  const double median = values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
  return {median, values.front(), values.back()};
}

Spread ratio(const std::vector<double>& a, const std::vector<double>& b) {
  CHECK(a.size() == b.size());
  std::vector<double> ratios;
  for (size_t i = 0; i < a.size(); ++i) ratios.push_back(a[i] / b[i]);
  return spread_of(std::move(ratios));
}

Spread scaled(Spread spread, double factor) {
  return {spread.median * factor, spread.low * factor, spread.high * factor};
}

std::string verdict(const Row& row) {
  if (!row.is) return "left out";
  if (!row.goal) return "";
  const bool holds =
      row.bound == Bound::AtLeast ? row.is->median >= *row.goal : row.is->median <= *row.goal;
  return holds ? "holds" : "misses";
}

void Table::add(Row row) { rows_.push_back(std::move(row)); }

void Table::leave_out(const std::string& section, const std::string& what, const std::string& why) {
  rows_.push_back(
      {.section = section, .what = what, .unit = "", .is = {}, .goal = {}, .note = why});
}

std::string Table::text(size_t first) const {
  std::string text;
  std::string section;
  for (size_t i = first; i < rows_.size(); ++i) {
    const Row& row = rows_[i];
    if (row.section != section) text += fmt::format("\n{}\n", row.section);
    section = row.section;
    std::string is, range;
    if (row.is) {
      is = with_unit(row.is->median, row.unit);
      if (row.is->low != row.is->high)
        range = fmt::format("{} .. {}", number(row.is->low), number(row.is->high));
    }
    text += fmt::format("  {:<56} {:>10}  {:<16} {:<10} {:<8} {}\n", row.what, is, range,
                        goal_text(row), verdict(row), row.note);
  }
  return text;
}

nlohmann::ordered_json Table::json() const {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const Row& row : rows_) {
    nlohmann::ordered_json one = {
        {"section", row.section},
        {"what",    row.what   },
        {"unit",    row.unit   }
    };
    if (row.is) {
      one["median"] = row.is->median;
      one["low"] = row.is->low;
      one["high"] = row.is->high;
    }
    if (row.goal) {
      one[row.bound == Bound::AtLeast ? "at_least" : "at_most"] = *row.goal;
      if (row.is) one["holds"] = verdict(row) == "holds";
    }
    if (!row.is) one["left_out"] = true;
    if (!row.note.empty()) one["note"] = row.note;
    json.push_back(std::move(one));
  }
  return json;
}

}  // namespace tessera::speed
