// SPDX-License-Identifier: Apache-2.0
// docs/passes.md has a row for every pass, in the table's order, with the table's words.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "passes/pipeline.h"
#include "support/file.h"
#include "tests/helpers/paths.h"

namespace tessera {
namespace {

TEST(PassesDoc, has_each_pass_in_order_with_its_words) {
  const Expected<std::string> page =
      read_text_file(tessera::test::source_dir() + "/docs/passes.md");
  ASSERT_TRUE(page.ok()) << page.error().message;
  size_t last = 0;
  for (const Pass& pass : all_passes()) {
    const std::string row = fmt::format("| `{}` | {} |", pass.name, pass.what);
    const size_t at = page->find(row);
    ASSERT_NE(at, std::string::npos) << "docs/passes.md must have the row " << row;
    EXPECT_GT(at, last) << pass.name << " stands in another order than in passes/passes.def";
    last = at;
  }
}

}  // namespace
}  // namespace tessera
