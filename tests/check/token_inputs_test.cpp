// SPDX-License-Identifier: Apache-2.0
// Inputs by token besides the ids: one number a token, or several.
#include <gtest/gtest.h>

#include "tests/check/encoder.h"

namespace tessera::test {
namespace {

TEST(TokenInputs, each_token_may_have_the_corners_of_a_box) {
  ModelBuilder m = encoder();
  m.input("bbox", TensorProto::INT64, "2,16,4");
  m.floats("places", numbers(kOthers * kHidden, 5), {kOthers, kHidden});
  m.ints("left", {0}, true).ints("right", {2}, true);
  set_attribute(m.node("Gather", {"bbox", "left"}, {"x0"}), "axis", int64_t{2});
  set_attribute(m.node("Gather", {"bbox", "right"}, {"x1"}), "axis", int64_t{2});
  m.node("Gather", {"places", "x0"}, {"from"});
  m.node("Gather", {"places", "x1"}, {"to"});
  m.node("Mul", {"from", "to"}, {"box"});
  m.node("Add", {"y", "box"}, {"answer"});
  expect_each_request_is_right(m, {
                                      {"bbox", 4}
  });
}

TEST(TokenInputs, further_ids_are_packed_beside_the_first) {
  ModelBuilder m = encoder();
  m.input("task_type_ids", TensorProto::INT64, "2,16");
  m.input("token_type_ids", TensorProto::INT64, "2,16");
  m.floats("tasks", numbers(kOthers * kHidden, 5), {kOthers, kHidden});
  m.floats("types", numbers(kOthers * kHidden, 6), {kOthers, kHidden});
  m.node("Gather", {"tasks", "task_type_ids"}, {"task"});
  m.node("Gather", {"types", "token_type_ids"}, {"type"});
  m.node("Add", {"y", "task"}, {"sum"});
  m.node("Mul", {"sum", "type"}, {"answer"});
  expect_each_request_is_right(m, {
                                      {"task_type_ids",  1},
                                      {"token_type_ids", 1}
  });
}

// A model of multiple choice takes [batch,choices,sequence], flattens it to rows, and gives a
// number for each choice. Positions are counted by ids that are not padding.
TEST(TokenInputs, a_row_of_multiple_choice_is_a_choice) {
  ModelBuilder m(13);
  m.input("input_ids", TensorProto::INT64, "batch,choices,tokens");
  m.input("attention_mask", TensorProto::INT64, "more,others,tokens_too").output("answer");
  m.ints("pad", {kWords}, true);  // no request holds it
  m.ints("minus_one", {-1}).ints("front", {0}).ints("choices_at", {1}, true);
  m.ints("tokens_at", {2}, true);
  m.node("Shape", {"input_ids"}, {"sizes"});
  const auto rows_of = [&](const char* axis, const std::string& shape) {
    m.node("Gather", {"sizes", axis}, {shape + "0"});
    m.node("Unsqueeze", {shape + "0", "front"}, {shape + "1"});
    set_attribute(m.node("Concat", {"minus_one", shape + "1"}, {shape}), "axis", int64_t{0});
  };
  rows_of("tokens_at", "rows");
  rows_of("choices_at", "by_choice");
  m.node("Reshape", {"input_ids", "rows"}, {"flat_ids"});
  m.node("Reshape", {"attention_mask", "rows"}, {"flat_mask"});
  ModelBuilder of_rows = encoder();
  for (const auto& weight : of_rows.graph().initializer()) *m.graph().add_initializer() = weight;
  for (::onnx::NodeProto node : of_rows.graph().node()) {
    for (std::string& name : *node.mutable_input()) {
      if (name == "input_ids") name = "flat_ids";
      if (name == "attention_mask") name = "flat_mask";
    }
    *m.graph().add_node() = node;
  }
  m.floats("places", numbers(17 * kHidden, 4), {17, kHidden});
  m.node("Equal", {"flat_ids", "pad"}, {"is_pad"});
  m.node("Not", {"is_pad"}, {"is_token"});
  set_attribute(m.node("Cast", {"is_token"}, {"token"}), "to", int64_t{TensorProto::INT64});
  m.node("CumSum", {"token", "choices_at"}, {"count"});  // axis 1
  m.node("Mul", {"count", "token"}, {"place"});
  m.node("Gather", {"places", "place"}, {"p"});
  m.node("Add", {"y", "p"}, {"z"});
  set_attribute(m.node("Gather", {"z", "first"}, {"pooled"}), "axis", int64_t{1});
  m.floats("v", numbers(kHidden, 3), {kHidden, 1});
  m.node("MatMul", {"pooled", "v"}, {"logit"});
  m.node("Reshape", {"logit", "by_choice"}, {"answer"});
  expect_each_request_is_right(m,
                               {
  },
                               {"padded", "A", "B"}, {{"input_ids", {2, 16}}});
}

}  // namespace
}  // namespace tessera::test
