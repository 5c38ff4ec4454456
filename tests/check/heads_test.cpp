// SPDX-License-Identifier: Apache-2.0
// Heads that make one answer of a request's tokens, packed: the answer of the request alone.
#include <gtest/gtest.h>

#include <algorithm>

#include "check/check.h"
#include "tests/compiler/onnx/builder.h"

namespace tessera::test {
namespace {

constexpr int64_t kWords = 20, kHidden = 8;

std::vector<float> numbers(int64_t count, int64_t seed) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(static_cast<float>((i * 37 + seed * 11) % 23 - 11) / 11);
  return values;
}

void put_ints(::onnx::NodeProto& node, const char* name, const Ints& values) {
  ::onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(::onnx::AttributeProto::INTS);
  for (const int64_t value : values) attribute.add_ints(value);
}

// One layer of attention, %y; and %m, the mask as f32 [batch,sequence,1].
ModelBuilder encoder() {
  ModelBuilder m;
  m.input("input_ids", TensorProto::INT64, "2,16");
  m.input("attention_mask", TensorProto::INT64, "2,16").output("answer");
  m.floats("words", numbers(kWords * kHidden, 1), {kWords, kHidden});
  m.floats("w", numbers(kHidden * kHidden, 2), {kHidden, kHidden});
  m.floats("one", {1}, {});
  m.floats("low", {-1e10F}, {});
  m.floats("scale", {0.35F}, {});
  m.floats("least", {1e-9F}, {});
  m.floats("zero", {0}, {});
  m.ints("heads", {0, 0, 1, kHidden}).ints("joined", {0, 0, kHidden});
  m.ints("axes12", {1, 2}).ints("axis2", {2}).ints("axis1", {1}).ints("first", {0}, true);
  m.node("Gather", {"words", "input_ids"}, {"x"});
  m.node("MatMul", {"x", "w"}, {"q"});
  m.node("Reshape", {"q", "heads"}, {"q4"});
  m.node("Reshape", {"x", "heads"}, {"x4"});
  put_ints(m.node("Transpose", {"q4"}, {"qh"}), "perm", {0, 2, 1, 3});
  put_ints(m.node("Transpose", {"x4"}, {"kt"}), "perm", {0, 2, 3, 1});
  put_ints(m.node("Transpose", {"x4"}, {"vh"}), "perm", {0, 2, 1, 3});
  m.node("Cast", {"attention_mask"}, {"mf"}).add_attribute()->set_name("to");
  auto& to = *m.graph().mutable_node(m.graph().node_size() - 1)->mutable_attribute(0);
  to.set_type(::onnx::AttributeProto::INT);
  to.set_i(TensorProto::FLOAT);
  m.node("Unsqueeze", {"mf", "axes12"}, {"m4"});
  m.node("Unsqueeze", {"mf", "axis2"}, {"m"});
  m.node("Sub", {"one", "m4"}, {"hidden"});
  m.node("Mul", {"hidden", "low"}, {"penalty"});
  m.node("MatMul", {"qh", "kt"}, {"scores"});
  m.node("Mul", {"scores", "scale"}, {"scaled"});
  m.node("Add", {"scaled", "penalty"}, {"masked"});
  m.node("Softmax", {"masked"}, {"weights"});
  m.node("MatMul", {"weights", "vh"}, {"seen"});
  put_ints(m.node("Transpose", {"seen"}, {"back"}), "perm", {0, 2, 1, 3});
  m.node("Reshape", {"back", "joined"}, {"a"});
  m.node("Add", {"x", "a"}, {"y"});
  return m;
}

void expect_each_request_is_right(const ModelBuilder& m) {
  const TempFolder folder;
  CheckOptions options;
  options.machine.threads = 1;
  for (int32_t length = 1; length <= 16; ++length) {
    Request request;
    for (int32_t i = 0; i < length; ++i)
      request.tokens["input_ids"].push_back((length * 7 + i * 3) % kWords);
    options.requests.emplace_back(std::to_string(length), request);
  }
  options.random_requests = 0;
  const auto report = check_model(m.save(folder), options);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_TRUE(report->all_well());
  for (const char* name : {"A", "B"}) {
    int64_t compared = 0;
    for (const OutputError& error : report->outputs) {
      if (error.form != name) continue;
      compared += error.answers;
      EXPECT_LT(error.largest, 1e-5);
      EXPECT_GT(error.magnitude, 0.01);
    }
    const auto form = std::ranges::find(report->forms, name, &FormVerdict::form);
    ASSERT_NE(form, report->forms.end());
    EXPECT_EQ(form->why_not, "");
    EXPECT_EQ(compared, 16);
  }
}

TEST(Heads, a_mean_over_the_mask_is_of_each_request_and_its_norm_too) {
  ModelBuilder m = encoder();
  m.node("Mul", {"y", "m"}, {"kept"});
  m.node("ReduceSum", {"kept", "axis1"}, {"sum"});
  m.node("ReduceSum", {"m", "axis1"}, {"count"});
  m.node("Max", {"count", "least"}, {"counted"});
  m.node("Div", {"sum", "counted"}, {"mean"});
  m.node("Mul", {"mean", "mean"}, {"square"});
  m.node("ReduceSum", {"square", "axis2"}, {"squares"});
  m.node("Sqrt", {"squares"}, {"norm"});
  m.node("Max", {"norm", "least"}, {"length"});
  m.node("Div", {"mean", "length"}, {"answer"});
  expect_each_request_is_right(m);
}

TEST(Heads, a_maximum_over_the_mask_is_of_each_request_and_its_classes_too) {
  ModelBuilder m = encoder();
  m.node("Equal", {"m", "zero"}, {"absent"});
  m.node("Where", {"absent", "low", "y"}, {"kept"});
  put_ints(m.node("ReduceMax", {"kept"}, {"most"}), "axes", {1});
  m.node("MatMul", {"most", "w"}, {"logits"});
  m.node("Softmax", {"logits"}, {"answer"});
  expect_each_request_is_right(m);
}

TEST(Heads, a_maximum_of_words_as_splade_has_it_is_of_each_request) {
  ModelBuilder m = encoder();
  m.node("Relu", {"y"}, {"relu"});
  m.node("Add", {"one", "relu"}, {"more"});
  m.node("Log", {"more"}, {"log"});
  m.node("Mul", {"log", "m"}, {"kept"});
  put_ints(m.node("ReduceMax", {"kept"}, {"answer"}), "axes", {1});
  expect_each_request_is_right(m);
}

TEST(Heads, weights_that_a_softmax_makes_of_tokens_are_of_each_request) {
  ModelBuilder m = encoder();
  m.floats("v", numbers(kHidden, 3), {kHidden, 1});
  m.node("MatMul", {"y", "v"}, {"importance"});
  m.node("Equal", {"m", "zero"}, {"absent"});
  m.node("Where", {"absent", "low", "importance"}, {"kept"});
  ::onnx::AttributeProto& axis = *m.node("Softmax", {"kept"}, {"share"}).add_attribute();
  axis.set_name("axis");
  axis.set_type(::onnx::AttributeProto::INT);
  axis.set_i(1);
  m.node("Mul", {"y", "share"}, {"weighted"});
  m.node("ReduceSum", {"weighted", "axis1"}, {"answer"});
  expect_each_request_is_right(m);
}

TEST(Heads, what_is_made_of_a_request_may_go_back_to_its_tokens) {
  ModelBuilder m = encoder();
  m.node("Gather", {"y", "first"}, {"taken"}).add_attribute()->set_name("axis");
  auto& axis = *m.graph().mutable_node(m.graph().node_size() - 1)->mutable_attribute(0);
  axis.set_type(::onnx::AttributeProto::INT);
  axis.set_i(1);
  m.node("Unsqueeze", {"taken", "axis1"}, {"each"});
  m.node("Mul", {"y", "each"}, {"answer"});
  expect_each_request_is_right(m);
}

}  // namespace
}  // namespace tessera::test
