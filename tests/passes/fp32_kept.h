// SPDX-License-Identifier: Apache-2.0
// The nodes of a small model that stay in f32, for the tests of the rules.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ir/text.h"
#include "passes/fp32_nodes.h"

namespace tessera::test {

// "sum: counts" for every node that computes and is kept.
inline std::vector<std::string> kept(const std::string& body,
                                     const std::string& inputs = "%x: f32[4,100]") {
  const auto graph = parse_graph("graph @f(" + inputs + ") {\n" + body + "\n}\n");
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  std::vector<std::string> lines;
  if (graph.ok())
    for (const KeptInFp32& one : choose_fp32(*graph, {}).why)
      lines.push_back(fmt::format("{}: {}", one.node, name_of(one.rule)));
  return lines;
}

}  // namespace tessera::test
