// SPDX-License-Identifier: Apache-2.0
// Attention as exporters write it beside the form of BERT, padded and packed: the answer of each
// request alone.
#include <gtest/gtest.h>

#include "tests/check/encoder.h"

namespace tessera::test {
namespace {

constexpr int64_t kRows = 2, kLength = 16, kHeads = 2, kDepth = kHidden / kHeads;
const Names kForms = {"padded", "A", "B"};

void transpose(ModelBuilder& m, const char* from, const char* to, const Ints& perm) {
  set_attribute(m.node("Transpose", {from}, {to}), "perm", perm);
}

// %y by heads, [batch,heads,sequence,depth]: %h.
ModelBuilder by_heads() {
  ModelBuilder m = encoder();
  m.ints("two_heads", {0, 0, kHeads, kDepth});
  m.node("Reshape", {"y", "two_heads"}, {"y4"});
  transpose(m, "y4", "h", {0, 2, 1, 3});
  return m;
}

// %answer of %seen, [batch,heads,sequence,depth].
void join(ModelBuilder& m) {
  transpose(m, "seen2", "back2", {0, 2, 1, 3});
  m.node("Reshape", {"back2", "joined"}, {"answer"});
}

// The penalty of %hidden keys is added to %scores2, and the weights are those of %values.
void weigh(ModelBuilder& m, const char* values) {
  m.node("Add", {"scores2", "penalty"}, {"masked2"});
  m.node("Softmax", {"masked2"}, {"weights2"});
  m.node("MatMul", {"weights2", values}, {"seen2"});
  join(m);
}

TEST(AttentionForms, heads_that_are_merged_with_the_batch) {
  ModelBuilder m = by_heads();
  m.ints("merged", {kRows * kHeads, kLength, kDepth});
  m.ints("merged_square", {kRows * kHeads, kLength, kLength});
  m.ints("square", {kRows, kHeads, kLength, kLength});
  m.ints("apart", {kRows, kHeads, kLength, kDepth});
  m.node("Reshape", {"h", "merged"}, {"h3"});
  transpose(m, "h3", "turned", {0, 2, 1});
  m.node("MatMul", {"h3", "turned"}, {"scores3"});
  m.node("Reshape", {"scores3", "square"}, {"scores2"});
  m.node("Add", {"scores2", "penalty"}, {"masked2"});
  m.node("Reshape", {"masked2", "merged_square"}, {"masked3"});
  set_attribute(m.node("Softmax", {"masked3"}, {"weights2"}), "axis", int64_t{2});
  m.node("MatMul", {"weights2", "h3"}, {"seen3"});
  m.node("Reshape", {"seen3", "apart"}, {"seen2"});
  join(m);
  expect_each_request_is_right(m, {}, kForms);
}

TEST(AttentionForms, keys_and_values_of_one_head_for_all_queries) {
  ModelBuilder m = by_heads();
  m.ints("one_head", {0, 0, 1, kDepth}).ints("starts", {0}).ints("ends", {kDepth});
  m.ints("last", {2}).ints("all", {kRows, kHeads, kLength, kDepth});
  m.node("Slice", {"y", "starts", "ends", "last"}, {"first_head"});
  m.node("Reshape", {"first_head", "one_head"}, {"one4"});
  transpose(m, "one4", "single", {0, 2, 1, 3});
  m.node("Expand", {"single", "all"}, {"shared"});
  transpose(m, "shared", "turned", {0, 1, 3, 2});
  m.node("MatMul", {"h", "turned"}, {"scores2"});
  weigh(m, "shared");
  expect_each_request_is_right(m, {}, kForms);
}

TEST(AttentionForms, heads_of_which_angles_turn_a_part) {
  ModelBuilder m = by_heads();
  m.floats("cos", numbers(kLength * 2, 5), {1, 1, kLength, 2});
  m.floats("sin", numbers(kLength * 2, 9), {1, 1, kLength, 2});
  m.ints("at0", {0}).ints("at1", {1}).ints("at2", {2}).ints("end", {kDepth}).ints("axis3", {3});
  m.node("Slice", {"h", "at0", "at2", "axis3"}, {"part"});
  m.node("Slice", {"h", "at2", "end", "axis3"}, {"rest"});
  m.node("Slice", {"part", "at0", "at1", "axis3"}, {"left"});
  m.node("Slice", {"part", "at1", "at2", "axis3"}, {"right"});
  m.node("Neg", {"right"}, {"minus"});
  set_attribute(m.node("Concat", {"minus", "left"}, {"swapped"}), "axis", int64_t{-1});
  m.node("Mul", {"part", "cos"}, {"by_cos"});
  m.node("Mul", {"swapped", "sin"}, {"by_sin"});
  m.node("Add", {"by_cos", "by_sin"}, {"angled"});
  set_attribute(m.node("Concat", {"angled", "rest"}, {"whole"}), "axis", int64_t{-1});
  transpose(m, "whole", "turned", {0, 1, 3, 2});
  m.node("MatMul", {"whole", "turned"}, {"scores2"});
  weigh(m, "h");
  expect_each_request_is_right(m, {}, kForms);
}

TEST(AttentionForms, positions_that_the_mask_counts) {
  ModelBuilder m = encoder();
  m.floats("places", numbers((kLength + 2) * kHidden, 3), {kLength + 2, kHidden});
  m.ints("less", {1}, true).ints("from", {2}, true).ints("line", {kRows * kLength});
  m.ints("rows", {kRows, kLength, kHidden}).ints("along", {1}, true);
  m.node("CumSum", {"attention_mask", "along"}, {"count"});
  m.node("Mul", {"count", "attention_mask"}, {"counted"});
  m.node("Sub", {"counted", "less"}, {"position"});
  m.node("Add", {"position", "from"}, {"index"});
  m.node("Reshape", {"index", "line"}, {"flat"});
  m.node("Gather", {"places", "flat"}, {"looked_up"});
  m.node("Reshape", {"looked_up", "rows"}, {"p"});
  m.node("Add", {"y", "p"}, {"answer"});
  expect_each_request_is_right(m, {}, kForms);
}

}  // namespace
}  // namespace tessera::test
