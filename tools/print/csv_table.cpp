// SPDX-License-Identifier: Apache-2.0
#include "tools/print/csv_table.h"

#include <algorithm>
#include <map>
#include <vector>

#include "support/file.h"
#include "support/plain_text.h"

namespace tessera::tools {
namespace {

using Json = nlohmann::ordered_json;
using Cells = std::map<std::string, std::string>;

std::string quoted(const std::string& cell) {
  if (cell.find_first_of(",\"\r\n") == std::string::npos) return cell;
  std::string text = "\"";
  for (const char c : cell) text += c == '"' ? "\"\"" : std::string(1, c);
  return text + "\"";
}

void add_cells(const Json& object, const std::string& path, std::vector<std::string>& columns,
               Cells& cells) {
  for (const auto& [name, value] : object.items()) {
    const std::string column = path.empty() ? name : path + "." + name;
    if (value.is_object()) {
      add_cells(value, column, columns, cells);
      continue;
    }
    if (std::ranges::find(columns, column) == columns.end()) columns.push_back(column);
    cells[column] = value.is_string() ? visible(value.get<std::string>()) : value.dump();
  }
}

}  // namespace

std::string csv_of(std::span<const Json> rows) {
  std::vector<std::string> columns;
  std::vector<Cells> all;
  for (const Json& row : rows) add_cells(row, "", columns, all.emplace_back());
  const auto line = [&](const auto& cell_of) {
    std::string text;
    for (const std::string& column : columns)
      text += (text.empty() && column == columns.front() ? "" : ",") + quoted(cell_of(column));
    return text + "\n";
  };
  std::string text = line([](const std::string& column) { return column; });
  for (Cells& cells : all) text += line([&](const std::string& column) { return cells[column]; });
  return text;
}

Status write_csv(const std::string& path, std::span<const Json> rows) {
  return write_file_atomic(path, csv_of(rows));
}

}  // namespace tessera::tools
