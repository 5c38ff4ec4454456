// SPDX-License-Identifier: Apache-2.0
// Graphs that text cannot say, because the parser stops them, and that a pass can make.
#include "ir/verify.h"

#include "tests/ir/run.h"

namespace tessera {
namespace {

class Verify : public ::testing::Test {
 protected:
  std::string error() const {
    const Status status = verify(graph_);
    EXPECT_FALSE(status.ok());
    return status.ok() ? "" : status.error().message;
  }
  Node* node(const std::string& name) const {
    for (const auto& node : graph_.nodes())
      if (node->name == name) return node.get();
    return nullptr;
  }

  Graph graph_ = parsed(
      "graph @f(%x: f32[2,3]) {"
      " %a = transpose %x {perm=[1,0]} : f32[3,2] %b = exp %a : f32[3,2] return %b }");
};

TEST_F(Verify, a_parsed_graph_holds) { EXPECT_TRUE(verify(graph_).ok()); }

TEST_F(Verify, an_operand_must_stand_above) {
  node("a")->in[0] = node("b");
  EXPECT_EQ(error(),
            "a: transpose: input 0 is not above, must stand before its users in the same graph");
}

TEST_F(Verify, an_operand_must_be_of_the_same_graph) {
  const Graph other = graph_.clone();
  node("a")->in[0] = other.inputs[0];
  EXPECT_EQ(error(),
            "a: transpose: input 0 is not above, must stand before its users in the same graph");
}

TEST_F(Verify, names_are_unique) {
  node("b")->name = "a";
  EXPECT_EQ(error(), "a: exp: name is there twice, must be once");
}

TEST_F(Verify, a_type_is_what_infer_says) {
  node("a")->attrs["perm"] = std::vector<int64_t>{0, 1};
  EXPECT_EQ(error(), "a: transpose: type is f32[3,2], must be f32[2,3]");
}

TEST_F(Verify, attributes_are_those_of_the_row_and_of_its_kinds) {
  node("a")->attrs["perm"] = int64_t{1};
  EXPECT_EQ(error(), "a: transpose: attribute perm is int, must be ints");
  node("a")->attrs = {
      {"perm", std::vector<int64_t>{1, 0}},
      {"axis", int64_t{0}                }
  };
  EXPECT_EQ(error(), "a: transpose: attribute axis is there, must be one of its own");
  node("a")->attrs.clear();
  EXPECT_EQ(error(), "a: transpose: attribute perm is missing, must be ints");
}

TEST_F(Verify, every_input_is_listed_once) {
  graph_.inputs.push_back(graph_.inputs[0]);
  EXPECT_EQ(error(), "f: lists 2 inputs, must list each of its 1 once");
  graph_.inputs.clear();
  EXPECT_EQ(error(), "x: input: must be listed as an input");
}

TEST_F(Verify, outputs_are_nodes_of_the_graph_with_names_of_their_own) {
  graph_.outputs.push_back({"b", node("a")});
  EXPECT_EQ(error(), "f: output name 'b' is there twice, must be once");
  graph_.outputs = {
      {"y", nullptr}
  };
  EXPECT_EQ(error(), "f: output 'y' must be a node of the graph");
}

TEST_F(Verify, a_bool_is_zero_or_one) {
  const std::byte bytes[] = {std::byte{1}, std::byte{2}};
  graph_.add_constant("mask", Tensor::copy({DType::Bool, {2}}, bytes));
  EXPECT_EQ(error(), "mask: constant: bool is 2, must be 0 or 1");
}

}  // namespace
}  // namespace tessera
