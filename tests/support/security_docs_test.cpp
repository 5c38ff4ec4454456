// SPDX-License-Identifier: Apache-2.0
// docs/security.md says of the limits what the table has.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "support/file.h"
#include "support/limits.h"
#include "tests/helpers/paths.h"

namespace tessera {
namespace {

std::vector<std::string> rows_below(const std::string& text, const std::string& header) {
  std::istringstream lines(text.substr(std::min(text.find(header), text.size())));
  std::vector<std::string> rows;
  std::string line;
  std::getline(lines, line);  // the header, and the rule below it
  std::getline(lines, line);
  while (std::getline(lines, line) && line.starts_with("|")) rows.push_back(line);
  return rows;
}

TEST(SecurityDocs, every_limit_stands_there_with_its_default_and_no_other) {
  const auto page = read_text_file(tessera::test::source_dir() + "/docs/security.md");
  ASSERT_TRUE(page.ok()) << page.error().message;
  std::vector<std::string> rows;
  for (const LimitRow& row : limit_rows())
    rows.push_back(
        fmt::format("| `{}` | {} | {} |", row.name, to_string(row.unit, row.value), row.help));
  EXPECT_THAT(rows_below(*page, "| limit | default | bounds |"), ::testing::ElementsAreArray(rows));
}

}  // namespace
}  // namespace tessera
