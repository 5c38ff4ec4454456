// SPDX-License-Identifier: Apache-2.0
// prove_paddable on a small model, for the tests of its rules.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "ir/text.h"
#include "passes/paddable.h"

namespace tessera::test {

// Words of a table behind %ids, then what the test adds; [2,4] tokens of width 3.
inline Paddable proof_of(const std::string& lines, const std::string& outputs,
                         const std::string& number = "") {
  const std::string text = R"(graph @f(%ids: i32[2,4], %mask: i32[2,4], %types: i32[2,4]) {
  %table = constant {value=[1,2,3,4,5,6]} : f32[2,3]
  %x = gather %table, %ids {axis=0} : f32[2,4,3]
)" + lines + "  return " + outputs +
                           "\n}\n";
  static std::vector<std::unique_ptr<Graph>> graphs;  // a proof points into its graph
  auto graph = parse_graph(text);
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  if (!graph.ok()) return {};
  graphs.push_back(std::make_unique<Graph>(graph.take()));
  return prove_paddable(*graphs.back(), number);
}

// The mask as f32 [2,4,3], as exporters stretch it.
inline const std::string kWideMask = R"(  %m = cast %mask {to="f32"} : f32[2,4]
  %m1 = reshape %m {shape=[2,4,1]} : f32[2,4,1]
  %wide = broadcast %m1 {shape=[2,4,3]} : f32[2,4,3]
)";

}  // namespace tessera::test
