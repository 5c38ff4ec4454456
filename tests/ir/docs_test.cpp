// SPDX-License-Identifier: Apache-2.0
// docs/ir.md is checked against the op table: a section for every op and no other, constraints
// numbered from C1, and every ```ir block a graph that parses and verifies.
#include <gmock/gmock.h>

#include <set>
#include <sstream>

#include "ir/text.h"
#include "support/file.h"
#include "tests/helpers/paths.h"

namespace tessera {
namespace {

constexpr std::string_view kOps[] = {
#define OP(id, text, ...) text,
#include "ir/ops.def"
#undef OP
};

std::vector<std::string> lines_of_page() {
  const auto text = read_text_file(tessera::test::source_dir() + "/docs/ir.md");
  EXPECT_TRUE(text.ok()) << text.error().message;
  std::vector<std::string> lines;
  std::istringstream stream(text.ok() ? *text : "");
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(Docs, every_op_has_its_section_in_the_order_of_the_table) {
  std::vector<std::string> sections;
  for (const std::string& line : lines_of_page())
    if (line.starts_with("### ")) sections.push_back(line.substr(4));
  EXPECT_THAT(sections, ::testing::ElementsAreArray(kOps));
}

TEST(Docs, constraints_are_numbered_from_one_in_each_section) {
  int next = 1;
  for (const std::string& line : lines_of_page()) {
    if (line.starts_with("#")) next = 1;
    if (!line.starts_with("- C")) continue;
    const std::string wanted = "- C" + std::to_string(next++) + ". ";
    EXPECT_TRUE(line.starts_with(wanted)) << line;
  }
}

TEST(Docs, every_graph_on_the_page_parses_and_together_they_show_every_op) {
  std::set<std::string> shown;
  std::string block;
  bool inside = false;
  for (const std::string& line : lines_of_page()) {
    if (inside && line == "```") {
      const Expected<Graph> graph = parse_graph(block);
      ASSERT_TRUE(graph.ok()) << graph.error().message << "\n" << block;
      for (const auto& node : graph->nodes()) shown.emplace(info(node->op).text);
    }
    if (inside && line == "```") inside = false;
    if (inside) block += line + "\n";
    if (line == "```ir") {
      inside = true;
      block.clear();
    }
  }
  EXPECT_EQ(shown, std::set<std::string>(std::begin(kOps), std::end(kOps)));
}

}  // namespace
}  // namespace tessera
