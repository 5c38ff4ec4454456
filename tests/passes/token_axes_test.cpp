// SPDX-License-Identifier: Apache-2.0
// The goldens of packing's passes have the axes of packed models; those of padded models are here.
#include "passes/token_axes.h"

#include <gtest/gtest.h>

#include "ir/text.h"

namespace tessera {
namespace {

// A pooler's output and a token's, both [4,4], behind a running sum and positions.
constexpr const char* kPooled = R"(graph @f(%ids: i32[4,4]) {
  %count = cumsum %ids {axis=1} : i32[4,4]
  %table = constant {value=[0,1,2,3]} : f32[4]
  %words = gather %table, %count {axis=0} : f32[4,4]
  %places = broadcast %table {shape=[4,4]} : f32[4,4]
  %tokens = add %words, %places : f32[4,4]
  %zero = constant {value=0} : i32[1]
  %first = gather %tokens, %zero {axis=1} : f32[4,1]
  return %tokens, %first
})";

TEST(TokenAxes, places_in_a_row_matter_to_packing_alone) {
  auto graph = parse_graph(kPooled);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  const auto packed = find_token_axes(*graph, {.rows = 4, .row_length = 4});
  ASSERT_TRUE(packed.ok()) << packed.error().message;
  EXPECT_TRUE(packed->at(graph->outputs[0].node).by_request);

  const auto padded =
      find_token_axes(*graph, {.rows = 4, .row_length = 4, .layout = Layout::Padded});
  ASSERT_TRUE(padded.ok()) << padded.error().message;
  EXPECT_FALSE(padded->at(graph->outputs[0].node).by_request);
  EXPECT_EQ(padded->at(graph->outputs[0].node).kind, TokenAxes::Kind::Token);
  EXPECT_EQ(padded->at(graph->outputs[1].node).kind, TokenAxes::Kind::Row);
}

}  // namespace
}  // namespace tessera
