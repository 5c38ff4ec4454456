// SPDX-License-Identifier: Apache-2.0
// com.microsoft's packing mode: tokens stay where they are between padding that is removed and
// restored.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "tests/compiler/onnx/import/contrib.h"

namespace tessera::test {
namespace {

using ::testing::ElementsAre;

// --- Packing mode: tokens stay where they are. ---

// x -> RemovePadding -> `op` -> RestorePadding, of 2 and 3 tokens.
OneNode packing_mode(const std::string& op, const std::string& operands, const Names& in) {
  OneNode node("RemovePadding", operands, "", {"tokens", "offset", "ends", "longest"});
  node.model.graph().clear_output();
  const std::pair<std::string, Names> more[] = {
      {op,               in                  },
      {"RestorePadding", {"packed", "offset"}}
  };
  for (const auto& [name, inputs] : more) {
    const Names out = {name == op ? "packed" : "y"};
    ::onnx::NodeProto& next = node.model.node(name, inputs, out, name);
    next.set_domain("com.microsoft");
    if (name == op) set_attribute(next, "num_heads=2");
  }
  node.model.output("y");
  return node;
}

void expect_same_tokens(const OneNode& packed, const OneNode& plain) {
  const std::vector<double> y = first_answer(packed), wanted = first_answer(plain);
  ASSERT_EQ(y.size(), wanted.size());
  for (size_t i = 0; i < y.size(); ++i) {
    const bool is_padding = i / 4 == 2;  // the third of the first row
    EXPECT_NEAR(y[i], is_padding ? 0 : wanted[i], 1e-6);
  }
}

TEST(Contrib, attention_between_padding_removed_and_restored_is_that_of_lengths) {
  OneNode packed =
      packing_mode("PackedAttention", "x:2,3,4 n=2,3@2", {"tokens", "w", "b", "offset", "ends"});
  const OneNode plain("Attention", "x:2,3,4 w:4,12 b:12 m=2,3@2", "num_heads=2");
  packed.model.input("w", kFloat, "4,12").input("b", kFloat, "12");
  for (const char* name : {"w", "b"}) packed.inputs[name] = plain.inputs.at(name);
  expect_same_tokens(packed, plain);
}

TEST(Contrib, heads_between_padding_removed_and_restored_are_those_of_lengths) {
  const OneNode packed = packing_mode("PackedMultiHeadAttention", "x:2,3,4 n=2,3@2",
                                      {"tokens", "tokens", "tokens", "", "offset", "ends"});
  const OneNode plain("MultiHeadAttention", "x:2,3,4 k:2,3,4 v:2,3,4 _ m=2,3@2", "num_heads=2");
  OneNode same = plain;
  for (const char* name : {"k", "v"}) same.inputs[name] = plain.inputs.at("x");
  expect_same_tokens(packed, same);
}

TEST(Contrib, removed_padding_says_where_rows_end) {
  const OneNode node("RemovePadding", "x:2,3,4 n=2,3@2", "", {"y", "", "ends", "longest"});
  const auto answers = node.answers();
  ASSERT_TRUE(answers.ok()) << answers.error().message;
  EXPECT_THAT((*answers)[1], ElementsAre(0, 2, 5));
  EXPECT_THAT((*answers)[2], ElementsAre(3));
}

TEST(Contrib, packed_tokens_must_come_of_padding_that_was_removed) {
  EXPECT_EQ(refusal("PackedAttention", "x:4,4 w:4,12 b:12 o=0,1,2,3@2,2 e=0,2,4@3", "num_heads=2"),
            "node 'n' (PackedAttention): token_offset (input 3) is not of a RemovePadding of this "
            "model, must be: give the model before it was converted to packing mode");
}

}  // namespace
}  // namespace tessera::test
