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

}  // namespace
}  // namespace tessera::test
