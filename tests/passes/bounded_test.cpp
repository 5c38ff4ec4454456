// SPDX-License-Identifier: Apache-2.0
// Patterns look at few nodes, whatever graph they are asked about, and no pass goes as deep as it.
#include <gtest/gtest.h>

#include <cmath>

#include "ir/text.h"
#include "passes/key_mask.h"
#include "passes/match.h"
#include "passes/passes.h"

namespace tessera {
namespace {

// `op` of the value and itself, `times` times: 2^times paths lead back to the value.
Node* doubled(Graph& graph, Node* value, Op op, int times) {
  for (int i = 0; i < times; ++i) value = *graph.add(op, "", {value, value});
  return value;
}

Node* mask(Graph& graph) {
  Node* seen = graph.add_input("mask", {
                                           DType::Bool, {2, 4}
  });
  std::map<std::string, Attr> attrs;
  attrs.emplace("to", std::string("f32"));
  return *graph.add(Op::Cast, "", {seen}, attrs);
}

TEST(Bounded, a_mask_that_uses_itself_is_read_node_by_node) {
  Graph graph;
  const NotMasks none;
  MaskReader reader(none);
  const MaskCells* cells = reader.read(doubled(graph, mask(graph), Op::Add, 60));
  ASSERT_TRUE(cells != nullptr);
  EXPECT_EQ(cells->at[0], std::vector<double>(8, 0));
  EXPECT_EQ(cells->at[1], std::vector<double>(8, std::ldexp(1.0, 60)));
}

TEST(Bounded, a_mask_of_too_many_nodes_is_none_that_we_know) {
  Graph graph;
  Node* value = mask(graph);
  for (int i = 0; i < 100'000; ++i) value = *graph.add(Op::Abs, "", {value});
  const NotMasks none;
  EXPECT_EQ(MaskReader(none).read(value), nullptr);
}

TEST(Bounded, a_product_comes_apart_into_a_few_factors) {
  Graph graph;
  Node* x = graph.add_input("x", {DType::F32, {4}});
  EXPECT_EQ(product_of(doubled(graph, x, Op::Mul, 3)).factors, std::vector<Node*>(8, x));
  EXPECT_EQ(product_of(doubled(graph, x, Op::Mul, 60)).factors.size(), kMostProducts + 1u);
}

TEST(Bounded, masks_are_clamped_behind_any_number_of_sums) {
  Graph graph;
  Node* x = graph.add_input("x", {DType::F32, {4}});
  Node* low = graph.add_constant("low", to_tensor(Array{
                                            {DType::F32, {4}},
                                            {-1e30, 0, 0, 0}
  }));
  Node* value = *graph.add(Op::Add, "", {x, low});
  for (int i = 0; i < 200'000; ++i) value = *graph.add(Op::Add, "", {value, x});
  std::map<std::string, Attr> attrs;
  attrs.emplace("axis", int64_t{0});
  graph.outputs.push_back({"y", *graph.add(Op::Softmax, "", {value}, attrs)});
  PassState state;
  const auto changed = clamp_mask_constants(graph, state);
  ASSERT_TRUE(changed.ok());
  EXPECT_TRUE(*changed);
}

TEST(Match, a_cast_that_rounds_is_not_the_number_before_it) {
  Graph graph;
  Node* large = graph.add_constant("large", to_tensor(Array{
                                                {DType::F32, {}},
                                                {1e6}
  }));
  std::map<std::string, Attr> half, single;
  half.emplace("to", std::string("f16"));
  single.emplace("to", std::string("f32"));
  Node* rounded = *graph.add(Op::Cast, "", {large}, half);
  EXPECT_EQ(splat(large), 1e6);
  EXPECT_EQ(splat(rounded), std::nullopt);
  EXPECT_EQ(splat(*graph.add(Op::Cast, "", {rounded}, single)), std::nullopt);
}

TEST(Bounded, what_passes_make_is_held_against_the_memory_limit) {
  PassState state;
  state.limits.memory = 100;
  EXPECT_TRUE(make_bytes(state, 60).ok());
  const Status over = make_bytes(state, 60);
  ASSERT_FALSE(over.ok());
  EXPECT_EQ(over.error().kind, ErrorKind::Refused);
}

TEST(Bounded, folding_stops_where_a_model_asks_for_more_than_its_constants_are_worth) {
  Graph graph;
  Node* c = graph.add_constant("c", to_tensor(Array{
                                        {DType::F32, {1, 2}},
                                        {1,          2     }
  }));
  std::map<std::string, Attr> shape, axes;
  shape.emplace("shape", Shape{int64_t{1} << 33, 2});
  axes.emplace("axes", std::vector<int64_t>{0});
  Node* stretched = *graph.add(Op::Broadcast, "", {c}, shape);
  graph.outputs.push_back({"y", *graph.add(Op::ReduceSum, "", {stretched}, axes)});
  PassState state;
  const auto changed = fold_constants(graph, state);
  ASSERT_TRUE(changed.ok());
  EXPECT_FALSE(*changed);
}

}  // namespace
}  // namespace tessera
