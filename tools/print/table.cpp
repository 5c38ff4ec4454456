// SPDX-License-Identifier: Apache-2.0
#include "tools/print/table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "support/check.h"
#include "tools/print/print.h"
#include "tools/print/terminal.h"

namespace tessera::tools {
namespace {

constexpr int64_t kLeastPage = 40, kLeastName = 12;

// The end of a long name tells more than its beginning.
std::string end_of(const std::string& name, int64_t width) {
  const auto most = static_cast<size_t>(width);
  if (name.size() <= most) return name;
  size_t from = name.size() - most + 1;
  while (from < name.size() && (name[from] & 0xC0) == 0x80) ++from;  // within a letter of UTF-8
  return "…" + name.substr(from);
}

std::string fitted_cell(const Column& column, const std::string& text) {
  if (column.is_name) return fmt::format("{:<{}}", end_of(text, column.width), column.width);
  if (column.is_number) return fmt::format("{:>{}}", text, column.width);
  return fmt::format("{:<{}}", text, column.width);
}

}  // namespace

std::optional<int64_t> page_columns() {
  const char* told = std::getenv("COLUMNS");
  const int64_t asked = told == nullptr ? 0 : std::atoll(told);
  if (asked <= 0 && isatty(STDOUT_FILENO) != 1) return {};
  return std::max(asked > 0 ? asked : terminal_columns(STDOUT_FILENO), kLeastPage);
}

Table::Table(std::vector<Column> columns, int64_t indent, std::optional<int64_t> page)
    : columns_(std::move(columns)), indent_(indent), whole_width_(width()) {
  if (!page) return;
  for (Column& column : columns_)
    if (column.is_name)
      column.width = std::clamp(column.width - (width() - *page), kLeastName, column.width);
  while (columns_.size() > 1 && width() > *page) {
    left_out_.insert(left_out_.begin(), columns_.back().head);
    columns_.pop_back();
  }
}

int64_t Table::width() const {
  int64_t width = indent_ - 1;
  for (const Column& column : columns_) width += column.width + 1;
  return width;
}

std::string Table::line(const std::vector<std::string>& cells) const {
  CHECK(cells.size() == columns_.size() + left_out_.size());
  std::string line(static_cast<size_t>(indent_), ' ');
  for (size_t i = 0; i < columns_.size(); ++i)
    line += (i ? " " : "") + fitted_cell(columns_[i], cells[i]);
  return line;
}

void Table::print_heads() const {
  std::vector<std::string> heads;
  for (const Column& column : columns_) heads.push_back(column.head);
  heads.insert(heads.end(), left_out_.begin(), left_out_.end());
  tools::print("{}\n", line(heads));
}

void Table::print(const std::vector<std::string>& cells, const std::string& rest) const {
  tools::print("{}{}\n", line(cells), rest);
}

void Table::print_left_out() const {
  if (left_out_.empty()) return;
  tools::print("(left out to fit: {}; COLUMNS={} shows all)\n",
               fmt::format("{}", fmt::join(left_out_, ", ")), whole_width_);
}

}  // namespace tessera::tools
