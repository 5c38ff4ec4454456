// SPDX-License-Identifier: Apache-2.0
#include "compiler/lower/fuse.h"

#include <gmock/gmock.h>

#include "ir/text.h"

namespace tessera {
namespace {

Graph graph(const std::string& text) {
  Expected<Graph> parsed = parse_graph(text);
  EXPECT_TRUE(parsed.ok()) << parsed.error().message;
  return parsed.take();
}

const Node* find(const Graph& graph, const std::string& name) {
  for (const auto& node : graph.nodes()) {
    if (node->name == name) return node.get();
  }
  return nullptr;
}

TEST(Fuse, bias_activation_and_residual_follow_their_matmul) {
  const Graph g = graph(R"(graph @f(%x: f32[6,8], %w: f32[8,4], %b: f32[4], %r: f32[6,4]) {
    %m = matmul %x, %w : f32[6,4]
    %bb = broadcast %b {shape=[6,4]} : f32[6,4]
    %a = add %bb, %m : f32[6,4]
    %g = gelu %a {form="tanh"} : f32[6,4]
    %o = add %g, %r : f32[6,4]
    return %o
  })");
  const Fusion fusion = fuse(g);
  const MatmulChain& chain = fusion.matmuls.at(find(g, "o"));
  EXPECT_EQ(chain.bias, find(g, "b"));
  EXPECT_EQ(chain.activation, 3);
  EXPECT_EQ(chain.residual, find(g, "r"));
  for (const char* name : {"m", "a", "g"}) EXPECT_TRUE(fusion.absorbed.contains(find(g, name)));
  EXPECT_TRUE(fusion.tapes.empty());
}

TEST(Fuse, a_value_with_two_uses_ends_the_chain) {
  const Graph g = graph(R"(graph @f(%x: f32[6,8], %w: f32[8,4]) {
    %m = matmul %x, %w : f32[6,4]
    %a = tanh %m : f32[6,4]
    %o = add %a, %m : f32[6,4]
    return %o
  })");
  const Fusion fusion = fuse(g);
  EXPECT_TRUE(fusion.matmuls.contains(find(g, "m")));
  EXPECT_EQ(fusion.tapes.at(find(g, "o")).nodes.size(), 2u);
}

TEST(Fuse, an_output_ends_the_chain) {
  const Graph g = graph(R"(graph @f(%x: f32[6,8], %w: f32[8,4]) {
    %m = matmul %x, %w : f32[6,4]
    %a = tanh %m : f32[6,4]
    return %a, %m
  })");
  EXPECT_TRUE(fuse(g).matmuls.contains(find(g, "m")));
}

TEST(Fuse, a_residual_that_would_have_to_be_repeated_is_left_to_a_tape) {
  const Graph g = graph(R"(graph @f(%x: f32[2,6,8], %w: f32[8,4], %p: f32[6,4]) {
    %m = matmul %x, %w : f32[2,6,4]
    %b = broadcast %p {shape=[2,6,4]} : f32[2,6,4]
    %o = add %m, %b : f32[2,6,4]
    return %o
  })");
  const Fusion fusion = fuse(g);
  EXPECT_TRUE(fusion.matmuls.contains(find(g, "m")));
  EXPECT_TRUE(fusion.tapes.contains(find(g, "o")));
}

TEST(Fuse, the_addition_before_a_layer_norm_is_its_own) {
  const Graph g = graph(R"(graph @f(%x: f32[6,8], %w: f32[8,8], %r: f32[6,8], %g: f32[8]) {
    %m = matmul %x, %w : f32[6,8]
    %a = add %m, %r : f32[6,8]
    %n = layer_norm %a, %g, %g {eps=0.1} : f32[6,8]
    return %n
  })");
  const Fusion fusion = fuse(g);
  EXPECT_EQ(fusion.residual_adds.at(find(g, "n")), find(g, "a"));
  EXPECT_EQ(fusion.matmuls.at(find(g, "m")).residual, nullptr);
}

TEST(Fuse, a_diamond_of_elementwise_work_is_one_tape) {
  const Graph g = graph(R"(graph @f(%x: f32[6], %y: f32[6]) {
    %s = add %x, %y : f32[6]
    %e = exp %s : f32[6]
    %t = tanh %s : f32[6]
    %m = mul %e, %t : f32[6]
    return %m
  })");
  const Fusion fusion = fuse(g);
  const TapeGroup& tape = fusion.tapes.at(find(g, "m"));
  EXPECT_EQ(tape.nodes.size(), 4u);
  EXPECT_THAT(tape.leaves, ::testing::UnorderedElementsAre(find(g, "x"), find(g, "y")));
}

TEST(Fuse, integers_and_floats_are_computed_apart) {
  const Graph g = graph(R"(graph @f(%x: i32[6], %y: f32[6]) {
    %d = add %x, %x : i32[6]
    %f = cast %d {to="f32"} : f32[6]
    %m = mul %f, %y : f32[6]
    return %m
  })");
  const Fusion fusion = fuse(g);
  EXPECT_EQ(fusion.tapes.at(find(g, "d")).domain, Domain::Integer);
  EXPECT_EQ(fusion.tapes.at(find(g, "m")).domain, Domain::Float);
  EXPECT_EQ(fusion.tapes.at(find(g, "m")).nodes.size(), 2u);
}

TEST(Fuse, a_condition_on_floats_is_chosen_by_in_the_same_tape) {
  const Graph g = graph(R"(graph @f(%x: f32[6], %y: f32[6]) {
    %l = less %x, %y : bool[6]
    %n = not %l : bool[6]
    %s = select %n, %x, %y : f32[6]
    return %s
  })");
  EXPECT_EQ(fuse(g).tapes.at(find(g, "s")).nodes.size(), 3u);
}

TEST(Fuse, a_tape_reads_no_more_inputs_than_the_codelet_has) {
  std::string text = "graph @f(";
  for (int i = 0; i < 20; ++i) text += (i ? ", %x" : "%x") + std::to_string(i) + ": f32[4]";
  text += ") {\n%s0 = add %x0, %x1 : f32[4]\n";
  for (int i = 1; i < 19; ++i) {
    const std::string n = std::to_string(i);
    text += "%s" + n + " = add %s" + std::to_string(i - 1) + ", %x" + std::to_string(i + 1) +
            " : f32[4]\n";
  }
  const Graph g = graph(text + "return %s18\n}");
  const Fusion fusion = fuse(g);
  size_t nodes = 0;
  for (const auto& [root, tape] : fusion.tapes) {
    EXPECT_LE(tape.leaves.size(), static_cast<size_t>(kMaxTapeInputs));
    nodes += tape.nodes.size();
  }
  EXPECT_EQ(fusion.tapes.size(), 2u);
  EXPECT_EQ(nodes, 19u);
}

TEST(Fuse, a_splat_constant_is_its_value) {
  const Graph g = graph(R"(graph @f(%x: f32[6]) {
    %c = constant {value=0.5} : f32[1]
    %b = broadcast %c {shape=[6]} : f32[6]
    %v = constant {value=[1,1,1,1,1,2]} : f32[6]
    %i = constant {value=inf} : f32[6]
    %s = add %x, %b : f32[6]
    %t = add %s, %v : f32[6]
    %u = add %t, %i : f32[6]
    return %u
  })");
  EXPECT_EQ(splat_value(find(g, "b")), 0.5);
  EXPECT_EQ(splat_value(find(g, "v")), std::nullopt);
  EXPECT_EQ(splat_value(find(g, "i")), std::nullopt);  // params are finite
}

}  // namespace
}  // namespace tessera
