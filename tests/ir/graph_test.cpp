// SPDX-License-Identifier: Apache-2.0
#include "ir/graph.h"

#include "ir/text.h"
#include "ir/verify.h"
#include "tests/ir/run.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

const TensorType kRow{DType::F32, {3}};

Node* add(Graph& graph, Op op, std::string name, std::vector<Node*> in,
          const Node* before = nullptr) {
  Expected<Node*> node = graph.add(op, std::move(name), std::move(in), {}, before);
  EXPECT_TRUE(node.ok()) << node.error().message;
  return *node;
}

std::vector<std::string> names(const Graph& graph) {
  std::vector<std::string> names;
  for (const auto& node : graph.nodes()) names.push_back(node->name);
  return names;
}

TEST(OpTable, every_op_is_found_by_its_text) {
  for (const char* text : {"input", "add", "layer_norm", "unpack"})
    EXPECT_EQ(info(*parse_op(text)).text, text);
  EXPECT_EQ(parse_op("conv"), std::nullopt);
}

TEST(OpTable, attributes_come_apart_into_names_and_kinds) {
  const std::vector<AttrSpec> specs = attr_specs(info(Op::Attention).attrs);
  ASSERT_EQ(specs.size(), 3u);
  EXPECT_EQ(specs[1].name, "scale");
  EXPECT_EQ(specs[1].kind, "float");
  EXPECT_TRUE(attr_specs("").empty());
}

TEST(Graph, a_name_that_is_taken_gets_a_suffix_and_no_name_is_the_ops) {
  Graph graph;
  Node* x = graph.add_input("x", kRow);
  add(graph, Op::Exp, "x", {x});
  add(graph, Op::Exp, "", {x});
  add(graph, Op::Exp, "", {x});
  EXPECT_THAT(names(graph), ElementsAre("x", "x_1", "exp", "exp_1"));
}

TEST(Graph, an_input_stands_first_and_keeps_its_name) {
  Graph graph;
  Node* x = graph.add_input("x", kRow);
  add(graph, Op::Exp, "position_ids", {x});
  graph.add_input("position_ids", kRow);
  EXPECT_THAT(names(graph), ElementsAre("x", "position_ids", "position_ids_1"));
  EXPECT_TRUE(verify(graph).ok());
}

TEST(Graph, a_node_can_be_added_before_another) {
  Graph graph;
  Node* x = graph.add_input("x", kRow);
  Node* last = add(graph, Op::Exp, "last", {x});
  add(graph, Op::Log, "first", {x}, last);
  EXPECT_THAT(names(graph), ElementsAre("x", "first", "last"));
}

TEST(Graph, an_operand_mistake_comes_back_as_an_error_and_adds_nothing) {
  Graph graph;
  Node* x = graph.add_input("x", kRow);
  const Expected<Node*> node = graph.add(Op::Add, "sum", {x});
  ASSERT_FALSE(node.ok());
  EXPECT_EQ(node.error().message, "sum: add: has 1 inputs, must have 2");
  EXPECT_THAT(names(graph), ElementsAre("x"));
}

TEST(Graph, users_come_once_each_and_uses_are_all_counted) {
  Graph graph;
  Node* x = graph.add_input("x", kRow);
  Node* square = add(graph, Op::Mul, "square", {x, x});
  Node* sum = add(graph, Op::Add, "sum", {square, x});
  graph.outputs = {
      {"y", sum   },
      {"z", square}
  };
  EXPECT_THAT(graph.users(x), ElementsAre(square, sum));
  EXPECT_EQ(graph.use_counts().at(x), 3);
  EXPECT_EQ(graph.use_counts().at(square), 2);
  EXPECT_EQ(graph.use_counts().at(sum), 1);
  EXPECT_TRUE(graph.is_output(square));
  EXPECT_FALSE(graph.is_output(x));
}

TEST(Graph, replacing_uses_reaches_operands_and_outputs) {
  Graph graph;
  Node* x = graph.add_input("x", kRow);
  Node* old = add(graph, Op::Exp, "old", {x});
  Node* fresh = add(graph, Op::Log, "fresh", {x});
  Node* sum = add(graph, Op::Add, "sum", {old, old});
  graph.outputs = {
      {"y", old},
      {"z", sum}
  };
  graph.replace_uses(old, fresh);
  EXPECT_THAT(sum->in, ElementsAre(fresh, fresh));
  EXPECT_EQ(graph.outputs[0].node, fresh);
  EXPECT_EQ(graph.outputs[0].name, "y");
}

TEST(Graph, users_follow_what_is_added_set_and_replaced) {
  Graph graph;
  Node* x = graph.add_input("x", kRow);
  Node* a = add(graph, Op::Exp, "a", {x});
  Node* b = add(graph, Op::Exp, "b", {x});
  graph.replace_uses(a, b);
  Node* c = add(graph, Op::Add, "c", {a, x});
  EXPECT_THAT(graph.users(a), ElementsAre(c));
  graph.set_operand(c, 0, b);
  EXPECT_THAT(graph.users(a), ElementsAre());
  EXPECT_THAT(graph.users(b), ElementsAre(c));
  graph.set_operand(c, 0, a);
  graph.set_operand(c, 0, b);
  EXPECT_THAT(graph.users(b), ElementsAre(c));
  graph.outputs = {
      {"y", c},
      {"z", c}
  };
  graph.replace_uses(c, b);
  EXPECT_EQ(graph.outputs[1].node, b);
  graph.outputs.set(0, c);
  EXPECT_TRUE(graph.is_output(c));
  EXPECT_TRUE(graph.is_output(b));
  graph.remove_dead();
  EXPECT_THAT(names(graph), ElementsAre("x", "b", "c"));
  EXPECT_THAT(graph.users(b), ElementsAre(c));
}

TEST(Graph, a_clone_gives_new_names_as_the_original_would) {
  Graph graph;
  Node* x = graph.add_input("x", kRow);
  add(graph, Op::Exp, "", {x});
  add(graph, Op::Exp, "", {x});
  Graph copy = graph.clone();
  EXPECT_EQ(add(copy, Op::Exp, "", {copy.inputs[0]})->name, add(graph, Op::Exp, "", {x})->name);
}

TEST(Graph, dead_nodes_go_with_what_only_they_used_and_inputs_stay) {
  Graph graph;
  Node* x = graph.add_input("x", kRow);
  graph.add_input("unused", kRow);
  Node* kept = add(graph, Op::Exp, "kept", {x});
  Node* dead = add(graph, Op::Exp, "dead", {kept});
  add(graph, Op::Exp, "deader", {dead});
  graph.outputs = {
      {"y", kept}
  };
  graph.remove_dead();
  EXPECT_THAT(names(graph), ElementsAre("x", "unused", "kept"));
  EXPECT_EQ(add(graph, Op::Exp, "dead", {x})->name, "dead");
}

// x -> first -> second -> root, and a helper that second and root read.
TEST(Graph, what_is_put_in_place_of_nodes_has_the_origins_of_all_that_died) {
  Graph graph;
  Node* x = graph.add_input("x", kRow);
  const auto made = [&](std::string name, std::vector<Node*> in) {
    Node* node = add(graph, in.size() == 2 ? Op::Add : Op::Exp, name, in);
    node->origin = {name};
    return node;
  };
  Node* first = made("first", {x});
  Node* kept = made("kept", {x});
  Node* helper = made("helper", {x});
  Node* second = made("second", {first, helper});
  Node* third = made("third", {second, kept});
  Node* root = made("root", {third, helper});
  Node* fused = add(graph, Op::Add, "fused", {x, kept}, root);
  fused->origin = root->origin;
  graph.outputs = {
      {"y", root},
      {"z", kept}
  };
  graph.replace_uses(root, fused);
  graph.remove_dead();
  EXPECT_THAT(fused->origin, ElementsAre("first", "helper", "second", "third", "root"));
  EXPECT_THAT(kept->origin, ElementsAre("kept")) << "it lives";
}

TEST(Graph, what_two_successors_used_is_no_ones_origin_and_a_chain_of_successors_is_one) {
  Graph graph;
  Node* x = graph.add_input("x", kRow);
  Node* shared = add(graph, Op::Exp, "shared", {x});
  shared->origin = {"shared"};
  std::vector<Node*> made;
  for (const char* name : {"left", "right"}) {
    Node* old = add(graph, Op::Exp, name, {shared});
    old->origin = {name};
    graph.outputs.push_back({name, old});
    Node* next = add(graph, Op::Exp, "next", {x});
    Node* last = add(graph, Op::Exp, "last", {x});
    next->origin = {"next"};
    graph.replace_uses(old, next);
    graph.replace_uses(next, last);
    made.push_back(last);
  }
  graph.remove_dead();
  EXPECT_THAT(made[0]->origin, ElementsAre("left", "next"));
  EXPECT_THAT(made[1]->origin, ElementsAre("right", "next"));
}

TEST(Graph, an_older_node_and_a_constant_take_no_origins) {
  Graph graph;
  Node* x = graph.add_input("x", kRow);
  Node* older = add(graph, Op::Exp, "older", {x});
  Node* same = add(graph, Op::Exp, "same", {x});
  Node* folded = add(graph, Op::Exp, "folded", {x});
  same->origin = {"same"};
  folded->origin = {"folded"};
  Node* constant = graph.add_constant("", to_tensor(Array{
                                              kRow, {0, 0, 0}
  }));
  graph.outputs = {
      {"y", same  },
      {"z", folded}
  };
  graph.replace_uses(same, older);
  graph.replace_uses(folded, constant);
  graph.remove_dead();
  EXPECT_TRUE(older->origin.empty());
  EXPECT_TRUE(constant->origin.empty());
}

TEST(Graph, an_origin_keeps_the_last_of_too_many_names) {
  Graph graph;
  Node* x = graph.add_input("x", kRow);
  Node* value = x;
  for (size_t i = 0; i < 2 * kMaxOrigins; ++i) {
    value = add(graph, Op::Exp, "", {value});
    value->origin = {std::to_string(i)};
  }
  Node* fused = add(graph, Op::Exp, "fused", {x});
  graph.outputs = {
      {"y", value}
  };
  graph.replace_uses(value, fused);
  graph.remove_dead();
  ASSERT_EQ(fused->origin.size(), kMaxOrigins);
  EXPECT_EQ(fused->origin.back(), std::to_string(2 * kMaxOrigins - 1));
}

TEST(Graph, sorting_moves_an_operand_to_just_before_its_first_user) {
  Graph graph;
  Node* x = graph.add_input("x", kRow);
  Node* a = add(graph, Op::Exp, "a", {x});
  Node* b = add(graph, Op::Exp, "b", {x});
  Node* c = add(graph, Op::Exp, "c", {x});
  Node* d = add(graph, Op::Exp, "d", {c});
  graph.set_operand(a, 0, d);
  EXPECT_FALSE(verify(graph).ok());
  graph.sort();
  EXPECT_THAT(names(graph), ElementsAre("x", "c", "d", "a", "b"));
  EXPECT_TRUE(verify(graph).ok());
  EXPECT_THAT(b->in, ElementsAre(x));
}

TEST(Graph, sorting_leaves_a_sorted_graph_alone) {
  Graph graph = parsed(
      "graph @f(%x: f32[3]) { %a = exp %x : f32[3] %b = log %x : f32[3]"
      " %c = add %b, %a : f32[3] return %c }");
  graph.sort();
  EXPECT_THAT(names(graph), ElementsAre("x", "a", "b", "c"));
}

TEST(Graph, a_clone_is_equal_and_stands_alone) {
  Graph graph = parsed(
      "graph @f(%x: f32[3]) { %c = constant {value=[1,2,3]} : f32[3]"
      " %y = add %x, %c : f32[3] return %y as \"out\" }");
  Graph copy = graph.clone();
  EXPECT_EQ(print(copy), print(graph));
  EXPECT_EQ(copy.nodes().back()->in[1]->value.bytes().data(),
            graph.nodes().back()->in[1]->value.bytes().data());
  graph = Graph();
  EXPECT_TRUE(verify(copy).ok());
  EXPECT_EQ(add(copy, Op::Exp, "y", {copy.inputs[0]})->name, "y_1");
}

}  // namespace
}  // namespace tessera
