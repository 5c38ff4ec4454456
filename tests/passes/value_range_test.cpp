// SPDX-License-Identifier: Apache-2.0
// The ranges of values: rule by rule, and that no value of any golden's graph leaves its range.
#include "passes/value_range.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ir/interpreter.h"
#include "ir/text.h"
#include "tests/helpers/golden.h"

namespace tessera {
namespace {

// The range of the graph's only output.
ValueRange range_of_output(const std::string& body, const std::string& inputs = "%x: f32[2,100]") {
  const auto graph = parse_graph("graph @f(" + inputs + ") {\n" + body + "\n}\n");
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  if (!graph.ok()) return {};
  return find_ranges(*graph).at(graph->outputs[0].node);
}

TEST(ValueRange, of_ids_is_the_table) {
  const ValueRange ids = range_of_output(R"(
    %t = constant {value=1} : f32[512]
    %u = constant {value=2} : f32[300]
    %e = gather %t, %i {axis=0} : f32[2]
    %f = gather %u, %i {axis=0} : f32[2]
    return %i)",
                                         "%i: i32[2]");
  EXPECT_EQ(ids.lo, 0);
  EXPECT_EQ(ids.hi, 299);
  EXPECT_EQ(ids.step, 1);
}

TEST(ValueRange, of_a_mask_is_0_to_1_where_it_hides_keys) {
  const ValueRange bias = range_of_output(R"(
    %one = constant {value=1} : f32[2]
    %f = cast %m {to="f32"} : f32[2]
    %h = sub %one, %f : f32[2]
    %c = constant {value=-10000} : f32[2]
    %y = mul %h, %c : f32[2]
    return %y)",
                                          "%m: i32[2]");
  EXPECT_EQ(bias.lo, -10000);
  EXPECT_EQ(bias.hi, 0);
  EXPECT_TRUE(exact_in_half(bias)) << "-10000 and 0 are all that it holds";
}

TEST(ValueRange, of_another_whole_input_is_all_of_i32) {
  const ValueRange range =
      range_of_output("%y = cast %m {to=\"f32\"} : f32[2]\nreturn %y", "%m: i32[2]");
  EXPECT_EQ(range.lo, INT32_MIN);
  EXPECT_TRUE(range.given);
  EXPECT_FALSE(fits_half(range));
}

TEST(ValueRange, of_a_sum_is_the_count_times_the_range) {
  const ValueRange range = range_of_output(R"(
    %t = tanh %x : f32[2,100]
    %y = reduce_sum %t {axes=[1]} : f32[2]
    return %y)");
  EXPECT_EQ(range.lo, -100);
  EXPECT_EQ(range.hi, 100);
  EXPECT_TRUE(fits_half(range));
}

TEST(ValueRange, of_a_mean_of_activations_is_an_activation_and_of_their_sum_not) {
  const std::string sum = "%s = reduce_sum %x {axes=[1]} : f32[2]\n";
  EXPECT_FALSE(fits_half(range_of_output(sum + "return %s")));
  EXPECT_TRUE(fits_half(range_of_output(
      sum + "%n = constant {value=100} : f32[2]\n%y = div %s, %n : f32[2]\nreturn %y")));
  EXPECT_TRUE(fits_half(range_of_output(
      sum + "%n = constant {value=0.01} : f32[2]\n%y = mul %s, %n : f32[2]\nreturn %y")));
}

TEST(ValueRange, of_a_layer_norm_is_the_root_of_its_length) {
  const ValueRange range = range_of_output(R"(
    %g = constant {value=2} : f32[100]
    %b = constant {value=-3} : f32[100]
    %y = layer_norm %x, %g, %b {eps=1e-5} : f32[2,100]
    return %y)");
  EXPECT_EQ(range.lo, -23);
  EXPECT_EQ(range.hi, 23);
}

TEST(ValueRange, of_a_number_above_an_epsilon_may_vanish) {
  const ValueRange range = range_of_output(R"(
    %e = constant {value=1e-12} : f32[2,100]
    %y = max %x, %e : f32[2,100]
    return %y)");
  EXPECT_TRUE(may_vanish(range));
  EXPECT_FALSE(fits_half(range));
}

TEST(ValueRange, of_x_minus_its_maximum_is_at_most_0) {
  const ValueRange range = range_of_output(R"(
    %m = reduce_max %x {axes=[1]} : f32[2]
    %r = reshape %m {shape=[2,1]} : f32[2,1]
    %b = broadcast %r {shape=[2,100]} : f32[2,100]
    %d = sub %x, %b : f32[2,100]
    %y = exp %d : f32[2,100]
    return %y)");
  EXPECT_EQ(range.lo, 0);
  EXPECT_EQ(range.hi, 1);
}

TEST(ValueRange, of_an_activation_far_away_is_not_one) {
  EXPECT_FALSE(fits_half(range_of_output(
      "%c = constant {value=-60000} : f32[2,100]\n%y = add %x, %c : f32[2,100]\nreturn %y")));
  EXPECT_TRUE(fits_half(range_of_output(
      "%c = constant {value=-10000} : f32[2,100]\n%y = add %x, %c : f32[2,100]\nreturn %y")));
}

// As Longformer's exporters lay a mask along the diagonal.
TEST(ValueRange, of_a_mask_that_ones_multiply_is_the_mask) {
  const ValueRange range = range_of_output(R"(
    %zero = constant {value=0} : f32[2,3]
    %low = constant {value=-1e30} : f32[2,3]
    %mask = select %hidden, %low, %zero : f32[2,3]
    %column = reshape %mask {shape=[6,1]} : f32[6,1]
    %ones = constant {value=1} : f32[1,4]
    %diagonal = matmul %column, %ones : f32[6,4]
    %y = add %diagonal, %scores : f32[6,4]
    return %y)",
                                           "%hidden: bool[2,3], %scores: f32[6,4]");
  EXPECT_FALSE(range.activation);
  EXPECT_FALSE(fits_half(range));
}

TEST(ValueRange, f16_counts_to_2048_and_by_steps_further) {
  EXPECT_TRUE(exact_in_half({.lo = 0, .hi = 2048, .step = 1}));
  EXPECT_FALSE(exact_in_half({.lo = 0, .hi = 2049, .step = 1}));
  EXPECT_TRUE(exact_in_half({.lo = -65504, .hi = 0, .step = 65504}));
  EXPECT_TRUE(exact_in_half({.lo = 0, .hi = 4096, .step = 2}));
  EXPECT_FALSE(exact_in_half({.lo = 0, .hi = 4099, .step = 4099}));
  EXPECT_FALSE(exact_in_half({.lo = 0, .hi = 1, .step = 0}));
}

// --- No value of a golden's graph leaves its range ---

class RangeOfGolden : public ::testing::TestWithParam<GoldenCase> {};

TEST_P(RangeOfGolden, holds_every_value) {
  auto graph = parse_graph(GetParam().before);
  ASSERT_TRUE(graph.ok());
  std::map<std::string, Array> inputs;
  for (const Node* input : graph->inputs) {
    Array& array = inputs[input->name];
    array.type = input->type;
    for (int64_t i = 0; i < elements(input->type.shape); ++i)
      array.data.push_back(is_float(input->type.dtype)
                               ? 3 * std::sin(static_cast<double>(5 * i + 1))
                               : static_cast<double>((i + 1) * 3 % 2));
    round_to_dtype(array);
  }
  std::vector<Node*> values;
  for (const auto& node : graph->nodes()) values.push_back(node.get());
  graph->outputs = {};
  for (Node* value : values) graph->outputs.push_back({value->name, value});
  const auto held = interpret(*graph, inputs);
  if (!held.ok()) return;  // elided weights, ids beyond a small table
  const ValueRanges ranges = find_ranges(*graph);
  for (size_t i = 0; i < values.size(); ++i) {
    const ValueRange& range = ranges.at(values[i]);
    const double slack = 1e-3 * (1 + (std::isfinite(range.largest()) ? range.largest() : 0));
    for (const double value : (*held)[i].data) {
      if (!std::isfinite(value)) continue;
      EXPECT_GE(value, range.lo - slack) << values[i]->name;
      EXPECT_LE(value, range.hi + slack) << values[i]->name;
      if (range.step >= 1 && range.step < 1e6) {
        EXPECT_EQ(std::fmod(value, range.step), 0) << values[i]->name;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, RangeOfGolden, ::testing::ValuesIn(read_goldens("passes")), golden_name);

}  // namespace
}  // namespace tessera
