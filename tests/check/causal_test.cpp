// SPDX-License-Identifier: Apache-2.0
// A causal model may be padded: no token sees what stands behind its request.
#include <gtest/gtest.h>

#include <limits>

#include "tests/check/encoder.h"

namespace tessera::test {
namespace {

// x · sigmoid(x) of %y, and a causal layer of attention over it.
ModelBuilder causal(const char* condition) {
  ModelBuilder m = encoder();
  Ints before;
  for (int64_t query = 0; query < 16; ++query)
    for (int64_t key = 0; key < 16; ++key) before.push_back(key <= query);
  m.ints("before", before).ints("square", {1, 1, 16, 16});
  m.floats("hides", {-std::numeric_limits<float>::infinity()}, {});
  m.node("Sigmoid", {"y"}, {"gate"});
  m.node("Mul", {"y", "gate"}, {"z"});
  m.node("Reshape", {"z", "heads"}, {"z4"});
  set_attribute(m.node("Transpose", {"z4"}, {"qh2"}), "perm", Ints{0, 2, 1, 3});
  set_attribute(m.node("Transpose", {"z4"}, {"kt2"}), "perm", Ints{0, 2, 3, 1});
  set_attribute(m.node("Transpose", {"z4"}, {"vh2"}), "perm", Ints{0, 2, 1, 3});
  m.node("MatMul", {"qh2", "kt2"}, {"scores2"});
  m.node("Reshape", {"before", "square"}, {"ones"});
  const auto to_bool = [&](const char* from, const char* to) {
    set_attribute(m.node("Cast", {from}, {to}), "to", int64_t{TensorProto::BOOL});
  };
  to_bool("ones", "causal");
  m.node("Unsqueeze", {"attention_mask", "axes12"}, {"there4"});
  to_bool("there4", "there");
  m.node("And", {"causal", "there"}, {"both"});
  m.node("Where", {condition, "scores2", "hides"}, {"masked2"});
  m.node("Softmax", {"masked2"}, {"weights2"});
  m.node("MatMul", {"weights2", "vh2"}, {"seen2"});
  set_attribute(m.node("Transpose", {"seen2"}, {"back2"}), "perm", Ints{0, 2, 1, 3});
  m.node("Reshape", {"back2", "joined"}, {"answer"});
  return m;
}

TEST(Causal, behind_a_gate_requests_are_padded_and_packed_under_a_mask_of_both) {
  expect_each_request_is_right(causal("both"), {}, {"padded", "A", "B"});
}

TEST(Causal, behind_a_gate_requests_are_padded_without_a_mask_of_keys) {
  expect_each_request_is_right(causal("causal"), {}, {"padded"});
}

}  // namespace
}  // namespace tessera::test
