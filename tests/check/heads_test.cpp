// SPDX-License-Identifier: Apache-2.0
// Heads that make one answer of a request's tokens, packed: the answer of the request alone.
#include <gtest/gtest.h>

#include "tests/check/encoder.h"

namespace tessera::test {
namespace {

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
  set_attribute(m.node("ReduceMax", {"kept"}, {"most"}), "axes", Ints{1});
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
  set_attribute(m.node("ReduceMax", {"kept"}, {"answer"}), "axes", Ints{1});
  expect_each_request_is_right(m, {}, {"padded", "A", "B"});
}

TEST(Heads, weights_that_a_softmax_makes_of_tokens_are_of_each_request) {
  ModelBuilder m = encoder();
  m.floats("v", numbers(kHidden, 3), {kHidden, 1});
  m.node("MatMul", {"y", "v"}, {"importance"});
  m.node("Equal", {"m", "zero"}, {"absent"});
  m.node("Where", {"absent", "low", "importance"}, {"kept"});
  set_attribute(m.node("Softmax", {"kept"}, {"share"}), "axis", int64_t{1});
  m.node("Mul", {"y", "share"}, {"weighted"});
  m.node("ReduceSum", {"weighted", "axis1"}, {"answer"});
  expect_each_request_is_right(m);
}

TEST(Heads, what_is_made_of_a_request_may_go_back_to_its_tokens) {
  ModelBuilder m = encoder();
  set_attribute(m.node("Gather", {"y", "first"}, {"taken"}), "axis", int64_t{1});
  m.node("Unsqueeze", {"taken", "axis1"}, {"each"});
  m.node("Mul", {"y", "each"}, {"answer"});
  expect_each_request_is_right(m);
}

// The rows of %y at %place of each row, in the line of all tokens.
void pick(ModelBuilder& m) {
  m.ints("row_starts", {0, 16}).ints("line", {32, kHidden});
  m.node("Add", {"place", "row_starts"}, {"index"});
  m.node("Reshape", {"y", "line"}, {"tokens"});
  m.node("Gather", {"tokens", "index"}, {"answer"});
}

TEST(Heads, the_last_token_by_a_count_of_the_mask_is_of_each_request) {
  ModelBuilder m = encoder();
  m.ints("one_token", {1}, true);
  set_attribute(m.node("ReduceSum", {"attention_mask", "axis1"}, {"count"}), "keepdims",
                int64_t{0});
  m.node("Sub", {"count", "one_token"}, {"place"});
  pick(m);
  expect_each_request_is_right(m, {}, {"padded", "A", "B"});
}

TEST(Heads, the_last_token_by_the_largest_place_of_the_mask_is_of_each_request) {
  ModelBuilder m = encoder();
  Ints places;
  for (int64_t i = 0; i < 16; ++i) places.push_back(i);
  m.ints("places", places);
  m.node("Mul", {"attention_mask", "places"}, {"there"});
  ::onnx::NodeProto& largest = m.node("ArgMax", {"there"}, {"place"});
  set_attribute(largest, "axis", int64_t{-1});
  set_attribute(largest, "keepdims", int64_t{0});
  pick(m);
  expect_each_request_is_right(m, {}, {"padded", "A", "B"});
}

TEST(Heads, the_token_of_the_largest_id_is_of_each_request) {
  ModelBuilder m = encoder();
  ::onnx::NodeProto& largest = m.node("ArgMax", {"input_ids"}, {"place"});
  set_attribute(largest, "axis", int64_t{-1});
  set_attribute(largest, "keepdims", int64_t{0});
  pick(m);
  expect_each_request_is_right(m, {}, {"padded", "A", "B"});
}

TEST(Heads, the_first_token_of_an_id_is_of_each_request) {
  ModelBuilder m = encoder();
  m.ints("end", {7}, true);
  m.node("Equal", {"input_ids", "end"}, {"ends"});
  set_attribute(m.node("Cast", {"ends"}, {"numbers"}), "to", int64_t{TensorProto::INT32});
  ::onnx::NodeProto& largest = m.node("ArgMax", {"numbers"}, {"place"});
  set_attribute(largest, "axis", int64_t{-1});
  set_attribute(largest, "keepdims", int64_t{0});
  pick(m);
  expect_each_request_is_right(m, {}, {"padded", "A", "B"});
}

}  // namespace
}  // namespace tessera::test
