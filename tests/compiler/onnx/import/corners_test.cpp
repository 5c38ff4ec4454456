// SPDX-License-Identifier: Apache-2.0
// Corner values of operations that import takes apart. The wanted numbers are ONNX Runtime's,
// without its optimisations. Those of single operations of the Graph are in tests/e2e.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ir/interpreter.h"
#include "ir/text.h"
#include "tests/compiler/onnx/builder.h"
#include "tests/helpers/numbers.h"

namespace tessera::test {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr int32_t kFloat = TensorProto::FLOAT;

using Values = std::vector<double>;

// The model's answers for its inputs a, b, as far as it has them, which all hold these shapes.
Values run(const ModelBuilder& model, const std::vector<Values>& inputs) {
  const std::string text = imported(model);
  const Expected<Graph> graph = parse_graph(text);
  EXPECT_TRUE(graph.ok()) << text;
  if (!graph.ok()) return {};
  std::map<std::string, Array> arrays;
  for (size_t i = 0; i < inputs.size(); ++i)
    arrays[graph->inputs[i]->name] = {graph->inputs[i]->type, inputs[i]};
  const auto results = interpret(*graph, arrays);
  EXPECT_TRUE(results.ok()) << results.error().message;
  return results.ok() ? results->at(0).data : Values{};
}

void expect_same(const Values& got, const Values& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) {
    SCOPED_TRACE(i);
    test::expect_number(got[i], wanted[i], 1e-5);
  }
}

ModelBuilder unary(const std::string& op, const std::string& shape) {
  ModelBuilder m;
  m.input("a", kFloat, shape).output("y");
  m.node(op, {"a"}, {"y"}, "n");
  return m;
}

TEST(OnnxCorners, the_sign_of_nan_is_nan) {
  expect_same(run(unary("Sign", "7"),
                  {
                      {0, -0.0, kInf, -kInf, kNan, 3, -2}
  }),
              {0, 0, 1, -1, kNan, 1, -1});
}

// f32 holds no whole number that is odd and larger than 2^24.
TEST(OnnxCorners, a_whole_power_of_a_whole_number_is_exact) {
  ModelBuilder m;
  m.input("a", TensorProto::INT32, "3").output("y");
  m.floats("two", {2}, {});
  m.node("Pow", {"a", "two"}, {"y"}, "n");
  expect_same(run(m,
                  {
                      {46339, -4097, 0}
  }),
              {2147302921, 16785409, 0});
}

// ONNX Runtime's answers: past the corners, all is kept or nothing.
TEST(OnnxCorners, a_diagonal_may_be_beyond_32_bits) {
  const std::vector<double> all = {1, 2, 3, 4}, none = {0, 0, 0, 0};
  for (const int64_t k : {int64_t{1} << 31, int64_t{1} << 62, INT64_MAX, INT64_MIN}) {
    for (const bool upper : {false, true}) {
      SCOPED_TRACE(std::to_string(k) + (upper ? " upper" : " lower"));
      ModelBuilder m(14);
      m.input("a", kFloat, "2,2").ints("k", {k}, true).output("y");
      auto& flag = *m.node("Trilu", {"a", "k"}, {"y"}, "n").add_attribute();
      flag.set_name("upper");
      flag.set_type(::onnx::AttributeProto::INT);
      flag.set_i(upper ? 1 : 0);
      expect_same(run(m, {all}), (k < 0) == upper ? all : none);
    }
  }
}

TEST(OnnxCorners, sigmoid_ends_at_0_and_1) {
  expect_same(run(unary("Sigmoid", "5"),
                  {
                      {0, kInf, -kInf, 100, -100}
  }),
              {0.5, 1, 0, 1, 0});
}

TEST(OnnxCorners, comparisons_with_nan_are_false) {
  const Values a = {0, -0.0, -0.0, kInf, kInf, kNan, 1}, b = {-0.0, -0.0, 0, kInf, -kInf, 1, kNan};
  const auto compared = [&](const std::string& op) {
    ModelBuilder m;
    m.input("a", kFloat, "7").input("b", kFloat, "7").output("y");
    m.node(op, {"a", "b"}, {"y"}, "n");
    return run(m, {a, b});
  };
  expect_same(compared("LessOrEqual"), {1, 1, 1, 1, 0, 0, 0});
  expect_same(compared("GreaterOrEqual"), {1, 1, 1, 1, 1, 0, 0});
  expect_same(compared("Greater"), {0, 0, 0, 0, 1, 0, 0});
}

// All of the values are one reduction.
Values reduced(const std::string& op, const Values& values) {
  return run(unary(op, std::to_string(values.size())), {values});
}

TEST(OnnxCorners, the_log_of_a_sum_of_exponentials_may_be_infinite) {
  expect_same(reduced("ReduceLogSumExp", {1, 2, 3, 4}), {4.44018984});
  expect_same(reduced("ReduceLogSumExp", {-kInf, -kInf}), {-kInf});
  expect_same(reduced("ReduceLogSumExp", {1, kInf, 0, -1}), {kInf});
  expect_same(reduced("ReduceLogSumExp", {kInf, -kInf, 0}), {kInf});
  expect_same(reduced("ReduceLogSumExp", {kNan, 1}), {kNan});
}

// Elements [0,0) of a, reduced.
Values reduced_nothing(const std::string& op) {
  ModelBuilder m;
  m.input("a", kFloat, "3").output("y");
  m.ints("begin", {0}).ints("end", {0}).ints("axes", {0});
  m.node("Slice", {"a", "begin", "end", "axes"}, {"none"}, "s");
  m.node(op, {"none"}, {"y"}, "n");
  return run(m, {
                    {1, 2, 3}
  });
}

TEST(OnnxCorners, reductions_of_no_elements_are_numbers) {
  expect_same(reduced_nothing("ReduceSum"), {0});
  expect_same(reduced_nothing("ReduceMax"), {-kInf});
  expect_same(reduced_nothing("ReduceMin"), {kInf});
  expect_same(reduced_nothing("ReduceMean"), {0});
}

// PyTorch writes the largest int64 for "no bound".
ModelBuilder clipped(int64_t low, int64_t high) {
  ModelBuilder m;
  m.input("a", TensorProto::INT64, "1,3").output("y");
  m.ints("low", {low}, true).ints("high", {high}, true);
  m.node("Clip", {"a", "low", "high"}, {"y"}, "n");
  return m;
}

TEST(OnnxCorners, a_bound_that_no_int32_passes_is_none) {
  constexpr int64_t kTop = std::numeric_limits<int64_t>::max();
  constexpr int64_t kBottom = std::numeric_limits<int64_t>::min();
  expect_same(run(clipped(0, kTop),
                  {
                      {1, -5, 2147483647}
  }),
              {1, 0, 2147483647});
  expect_same(run(clipped(kBottom, 3),
                  {
                      {-2147483648, 2, 9}
  }),
              {-2147483648, 2, 3});
  EXPECT_THAT(imported(clipped(kTop, kTop)), ::testing::HasSubstr("must be within int32"));
  EXPECT_THAT(imported(clipped(kBottom, kBottom)), ::testing::HasSubstr("must be within int32"));
}

}  // namespace
}  // namespace tessera::test
