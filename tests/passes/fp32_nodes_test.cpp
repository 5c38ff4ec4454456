// SPDX-License-Identifier: Apache-2.0
// The nodes that stay in f32, by rule; the goldens of lower_precision have what becomes of them.
#include "passes/fp32_nodes.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/text.h"
#include "support/file.h"
#include "tests/helpers/paths.h"
#include "tests/passes/fp32_kept.h"

namespace tessera {
namespace {

using test::kept;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;

TEST(Fp32Nodes, a_count_within_2048_needs_nothing_and_one_beyond_is_kept) {
  const auto counts = [](const std::string& n) {
    return kept("%f = cast %b {to=\"f32\"} : f32[" + n +
                    "]\n%sum = reduce_sum %f {axes=[0]} : f32[]\nreturn %sum",
                "%b: bool[" + n + "]");
  };
  EXPECT_THAT(counts("2048"), IsEmpty());
  EXPECT_THAT(counts("2049"), ElementsAre("f: counts", "sum: counts"));
}

TEST(Fp32Nodes, squares_of_any_spelling_are_statistics) {
  for (const char* square : {"mul %x, %x", "pow %x, %two"})
    EXPECT_THAT(kept(fmt::format(R"(
      %two = constant {{value=2}} : f32[4,100]
      %s = {} : f32[4,100]
      %sum = reduce_sum %s {{axes=[0]}} : f32[100]
      return %sum)",
                                 square)),
                ElementsAre("s: statistics", "sum: statistics"));
}

TEST(Fp32Nodes, a_sum_by_a_product_with_ones_is_a_sum) {
  EXPECT_THAT(kept(R"(
    %one = constant {value=1} : f32[100,1]
    %sum = matmul %x, %one : f32[4,1]
    return %sum)"),
              ElementsAre("sum: long_reductions"));
}

TEST(Fp32Nodes, factors_of_a_chain_add_up) {
  EXPECT_THAT(kept(R"(
    %c = constant {value=50} : f32[4,100]
    %a = mul %x, %c : f32[4,100]
    %b = mul %a, %c : f32[4,100]
    %p = softmax %b {axis=1} : f32[4,100]
    return %p)"),
              ElementsAre("a: wide_values", "b: wide_values", "p: wide_values"));
}

TEST(Fp32Nodes, a_temperature_that_users_choose_may_be_any) {
  EXPECT_THAT(kept(R"(
    %b = broadcast %t {shape=[4,100]} : f32[4,100]
    %a = div %x, %b : f32[4,100]
    %p = softmax %a {axis=1} : f32[4,100]
    return %p)",
                   "%x: f32[4,100], %t: f32[1]"),
              ::testing::IsSupersetOf({"a: wide_values", "p: wide_values"}));
}

TEST(Fp32Nodes, what_stands_far_from_0_keeps_its_bits) {
  const auto beside = [](const std::string& number) {
    return kept("%c = constant {value=" + number + "} : f32[4,100]\n" + R"(
      %t = tanh %x : f32[4,100]
      %h = add %t, %c : f32[4,100]
      %g = constant {value=1} : f32[100]
      %b = constant {value=0} : f32[100]
      %y = layer_norm %h, %g, %b {eps=1e-5} : f32[4,100]
      return %y)");
  };
  EXPECT_THAT(beside("3"), IsEmpty());
  EXPECT_THAT(beside("-100"), ElementsAre("t: statistics", "h: statistics", "y: statistics"));
}

TEST(Fp32Nodes, a_difference_of_an_input_reads_it_as_it_is) {
  EXPECT_THAT(kept("%d = sub %x, %y : f32[4,100]\nreturn %d", "%x: f32[4,100], %y: f32[4,100]"),
              ElementsAre("d: statistics"));
}

TEST(Fp32Nodes, a_difference_of_an_input_that_is_bounded_or_scaled_reads_it_as_it_is) {
  const auto behind = [](const std::string& step) {
    return kept("%c = constant {value=2} : f32[4,100]\n" + step +
                    "\n%d = sub %s, %y : f32[4,100]\nreturn %d",
                "%x: f32[4,100], %y: f32[4,100], %seen: bool[4,100]");
  };
  EXPECT_THAT(behind("%s = min %x, %c : f32[4,100]"), testing::Contains("d: statistics"));
  EXPECT_THAT(behind("%s = mul %x, %c : f32[4,100]"), testing::Contains("d: statistics"));
  EXPECT_THAT(behind("%s = select %seen, %x, %c : f32[4,100]"), testing::Contains("d: statistics"));
}

TEST(Fp32Nodes, what_a_probability_leaves_of_1_is_made_of_f32) {
  EXPECT_THAT(kept(R"(
    %p = softmax %x {axis=1} : f32[4,100]
    %first = slice %p {start=[0,0],step=[1,1],size=[4,1]} : f32[4,1]
    %one = constant {value=1} : f32[4,1]
    %d = sub %one, %first : f32[4,1]
    return %d)"),
              IsSupersetOf({"p: statistics", "first: statistics", "d: statistics"}));
}

TEST(Fp32Nodes, a_norm_of_an_input_behind_bounds_or_functions_reads_it_as_it_is) {
  EXPECT_THAT(kept(R"(
    %ten = constant {value=10} : f32[4,100]
    %bounded = min %x, %ten : f32[4,100]
    %one = constant {value=1} : f32[100]
    %zero = constant {value=0} : f32[100]
    %n = layer_norm %bounded, %one, %zero {eps=1e-05} : f32[4,100]
    return %n)"),
              IsSupersetOf({"bounded: statistics", "n: statistics"}));
}

TEST(Fp32Nodes, a_quotient_of_inputs_reads_both_as_they_are) {
  EXPECT_THAT(kept(R"(
    %later = slice %x {start=[0,1],step=[1,1],size=[4,99]} : f32[4,99]
    %before = slice %x {start=[0,0],step=[1,1],size=[4,99]} : f32[4,99]
    %q = div %later, %before : f32[4,99]
    return %q)"),
              IsSupersetOf({"later: divisors", "before: divisors", "q: wide_values"}));
}

TEST(Fp32Nodes, scores_beside_numbers_that_f16_rounds_stay_with_their_softmax) {
  const auto beside = [](const std::string& numbers) {
    return kept("%b = constant {value=[" + numbers + R"(]} : f32[4]
    %bs = broadcast %b {shape=[2,4]} : f32[2,4]
    %s = add %x, %bs : f32[2,4]
    %p = softmax %s {axis=1} : f32[2,4]
    return %p)",
                "%x: f32[2,4]");
  };
  EXPECT_THAT(beside("0.3,33.33,66.66,99.97"), ElementsAre("s: biases", "p: statistics"));
  EXPECT_THAT(beside("0.3,3.333,6.666,9.997"), IsEmpty());
  EXPECT_THAT(beside("0,0.5,64,96"), IsEmpty());               // f16 holds them
  EXPECT_THAT(beside("0.1,0.2,-10001.3,-3333.3"), IsEmpty());  // hidden
}

TEST(Fp32Nodes, attention_with_a_bias_that_f16_rounds_stays_in_f32) {
  EXPECT_THAT(kept(R"(
    %b = constant {value=[0,33.33,66.67,99.97]} : f32[1,1,1,4]
    %y = attention %x, %x, %x, %b {heads=1, mask="bias", scale=1} : f32[1,4,2]
    return %y)",
                   "%x: f32[1,4,2]"),
              ElementsAre("y: biases"));
}

TEST(Fp32Nodes, a_number_beside_a_sum_stays_with_it) {
  EXPECT_THAT(kept(R"(
    %sum = reduce_sum %x {axes=[1]} : f32[4]
    %n = constant {value=100} : f32[4]
    %mean = div %sum, %n : f32[4]
    %r = reshape %mean {shape=[4,1]} : f32[4,1]
    %m = broadcast %r {shape=[4,100]} : f32[4,100]
    %d = sub %x, %m : f32[4,100]
    %t = tanh %d : f32[4,100]
    return %t)"),
              ElementsAre("sum: long_reductions", "mean: long_reductions", "d: statistics",
                          "t: statistics"));
}

TEST(Fp32Nodes, an_epsilon_inside_a_logarithm_is_kept_with_what_it_is_added_to) {
  EXPECT_THAT(kept(R"(
    %p = softmax %x {axis=1} : f32[4,100]
    %e = constant {value=1e-9} : f32[4,100]
    %s = add %p, %e : f32[4,100]
    %y = log %s : f32[4,100]
    return %y)"),
              ElementsAre("p: divisors", "s: wide_values", "y: wide_values"));
}

// 511 times a frequency is 511 radians, of which f16 holds quarters; so the position is kept too.
TEST(Fp32Nodes, an_angle_is_kept_back_to_the_position_that_makes_it) {
  EXPECT_THAT(kept(R"(
    %at = cast %p {to="f32"} : f32[8,1]
    %w = constant {value=[1,0.5]} : f32[1,2]
    %angle = matmul %at, %w : f32[8,2]
    %s = sin %angle : f32[8,2]
    %c = cos %angle : f32[8,2]
    %y = add %s, %c : f32[8,2]
    return %y)",
                   "%p: i32[8,1]"),
              ElementsAre("at: indices", "angle: indices", "s: angles", "c: angles"));
}

TEST(Fp32Nodes, a_small_number_as_a_factor_is_a_constant_that_f16_loses) {
  EXPECT_THAT(kept(R"(
    %c = constant {value=1e-6} : f32[4,100]
    %y = mul %x, %c : f32[4,100]
    return %y)"),
              ElementsAre("y: constants"));
}

TEST(Fp32Nodes, a_mask_that_nothing_proves_keeps_its_softmax) {
  EXPECT_THAT(kept(R"(
    %low = constant {value=-1e9} : f32[4,100]
    %f = cast %b {to="f32"} : f32[4,100]
    %m = mul %f, %low : f32[4,100]
    %s = add %x, %m : f32[4,100]
    %p = softmax %s {axis=1} : f32[4,100]
    return %p)",
                   "%x: f32[4,100], %b: bool[4,100]"),
              ElementsAre("f: constants", "m: constants", "s: constants", "p: constants"));
}

TEST(Fp32Nodes, an_index_computed_in_floats_is_kept_back_to_the_input) {
  EXPECT_THAT(kept(R"(
    %k = constant {value=0.5} : f32[3]
    %h = mul %ids, %k : f32[3]
    %w = floor %h : f32[3]
    %i = cast %w {to="i32"} : i32[3]
    return %i)",
                   "%ids: f32[3]"),
              ElementsAre("h: indices", "w: indices", "i: indices"));
}

TEST(Fp32Nodes, an_index_predicted_by_a_linear_map_is_kept_to_the_map) {
  EXPECT_THAT(kept(R"(
    %w = constant {elided="00"} : f32[100,1]
    %h = matmul %x, %w : f32[4,1]
    %r = round %h : f32[4,1]
    %i = cast %r {to="i32"} : i32[4,1]
    return %i)"),
              ElementsAre("r: indices", "i: indices"));
}

TEST(Fp32Nodes, an_activation_that_is_compared_needs_nothing) {
  EXPECT_THAT(kept(R"(
    %t = tanh %x : f32[4,100]
    %z = constant {value=0} : f32[4,100]
    %b = less %z, %t : bool[4,100]
    return %b)"),
              IsEmpty());
}

TEST(Fp32Nodes, a_norm_of_an_input_or_of_tiny_numbers_reads_them_in_f32) {
  const auto norm = [](const std::string& of, const std::string& eps) {
    return kept(
        "%t = tanh %x : f32[4,2]\n%g = constant {value=1} : f32[2]\n"
        "%n = rms_norm " +
            of + ", %g {eps=" + eps + "} : f32[4,2]\nreturn %n",
        "%x: f32[4,2]");
  };
  EXPECT_THAT(norm("%t", "1e-5"), IsEmpty());
  EXPECT_THAT(norm("%x", "1e-5"), ElementsAre("n: statistics"));
  EXPECT_THAT(norm("%t", "1e-18"), ElementsAre("t: statistics", "n: statistics"));
}

TEST(Fp32Nodes, an_input_of_8_bits_is_exact) {
  const auto graph =
      parse_graph("graph @f(%x: i32[4]) {\n%y = cast %x {to=\"f32\"} : f32[4]\nreturn %y\n}");
  ASSERT_TRUE(graph.ok());
  PassOptions options;
  EXPECT_EQ(choose_fp32(*graph, options).why.size(), 1u);
  options.declared["x"] = {0, 255};
  EXPECT_THAT(choose_fp32(*graph, options).why, IsEmpty());
}

TEST(Fp32Nodes, an_output_can_be_named_as_the_model_names_it) {
  const auto graph = parse_graph(
      "graph @f(%x: f32[2]) {\n%a = abs %x : f32[2]\n%t = tanh %a : f32[2]\nreturn %t as \"y\"\n}");
  ASSERT_TRUE(graph.ok());
  PassOptions options;
  options.fp32_nodes = {"y"};
  const Fp32Choice choice = choose_fp32(*graph, options);
  ASSERT_EQ(choice.why.size(), 1u);
  EXPECT_EQ(choice.why[0].node, "t");
  EXPECT_THAT(choice.warnings, IsEmpty());
}

TEST(Fp32Nodes, an_unknown_name_is_refused_with_the_nearest) {
  const auto graph =
      parse_graph("graph @f(%x: f32[2]) {\n%gelu_1 = abs %x : f32[2]\nreturn %gelu_1 as \"y\"\n}");
  ASSERT_TRUE(graph.ok());
  EXPECT_TRUE(check_node_names(*graph, "fp16_skip_nodes", {"gelu_1"}).ok());
  EXPECT_TRUE(check_node_names(*graph, "fp16_skip_nodes", {}).ok());
  const Status unknown = check_node_names(*graph, "fp16_skip_nodes", {"gelu_2"});
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().kind, ErrorKind::Usage);
  EXPECT_EQ(unknown.error().message,
            "fp16_skip_nodes: there is no node or value 'gelu_2', the nearest is 'gelu_1'");
}

TEST(Fp32Doc, has_a_row_for_every_rule) {
  const Expected<std::string> page =
      read_text_file(tessera::test::source_dir() + "/docs/passes.md");
  ASSERT_TRUE(page.ok());
#define RULE(id, name, what) EXPECT_THAT(*page, HasSubstr("| `" name "` | " what " |"));
#include "passes/fp32_rules.def"
#undef RULE
}

}  // namespace
}  // namespace tessera
