// SPDX-License-Identifier: Apache-2.0
// A table that fits the terminal: names are shortened first, then columns are left out from the
// right, and a line says which. Where no width is told (a pipe or a file without COLUMNS), nothing
// is left out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera::tools {

// Columns of the page that a table is printed on: $COLUMNS, else those of the terminal at stdout,
// and at least 40. Nothing where neither tells.
std::optional<int64_t> page_columns();

struct Column {
  std::string head;
  int64_t width;          // of its cells, usually; a longer one takes what it needs
  bool is_number = true;  // flush right
  bool is_name = false;   // flush left, and shortened to this width or to a narrow page's
};

class Table {
 public:
  // A blank stands between columns, and `indent` blanks before the first.
  explicit Table(std::vector<Column> columns, int64_t indent = 0,
                 std::optional<int64_t> page = page_columns());
  void print_heads() const;
  // A cell for each column. `rest` goes behind the last, whatever its length.
  void print(const std::vector<std::string>& cells, const std::string& rest = "") const;
  // Says which columns were left out, and which width would show them. Nothing if none was.
  void print_left_out() const;

  std::string line(const std::vector<std::string>& cells) const;

 private:
  int64_t width() const;
  std::vector<Column> columns_;  // those that are shown
  std::vector<std::string> left_out_;
  int64_t indent_, whole_width_;
};

}  // namespace tessera::tools
