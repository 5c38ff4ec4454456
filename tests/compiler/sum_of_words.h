// SPDX-License-Identifier: Apache-2.0
// A model that tests of sizes build on.
#pragma once

#include <string>

#include "tests/compiler/onnx/builder.h"

namespace tessera::test {

inline constexpr int32_t kInt64 = TensorProto::INT64;

// A sum of words under their mask, over the row.
inline ModelBuilder sum_of_words(const std::string& length = "seq", const std::string& rows = "2") {
  ModelBuilder m;
  m.input("input_ids", kInt64, rows + "," + length);
  m.input("attention_mask", kInt64, rows + "," + length);
  m.floats("table", {1, 2, 3, 4, 5, 6}, {3, 2});
  m.floats("nothing", {0}, {});
  m.ints("zero", {0}, true).ints("one", {1}, true).ints("axis_1", {1}).ints("axis_2", {2});
  m.node("Gather", {"table", "input_ids"}, {"words"}, "words");
  m.node("Equal", {"attention_mask", "zero"}, {"none"}, "none");
  m.node("Unsqueeze", {"none", "axis_2"}, {"none_2"}, "unsqueeze");
  m.node("Where", {"none_2", "nothing", "words"}, {"seen"}, "seen");
  m.node("ReduceSum", {"seen", "axis_1"}, {"sum"}, "sum");
  return m;
}

}  // namespace tessera::test
