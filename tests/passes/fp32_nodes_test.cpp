// SPDX-License-Identifier: Apache-2.0
// The nodes that stay in f32, by rule; the goldens of lower_precision have what becomes of them.
#include "passes/fp32_nodes.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/text.h"
#include "support/file.h"
#include "tests/helpers/paths.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// "sum: counts" for every node that computes and is kept.
std::vector<std::string> kept(const std::string& body,
                              const std::string& inputs = "%x: f32[4,100]") {
  const auto graph = parse_graph("graph @f(" + inputs + ") {\n" + body + "\n}\n");
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  std::vector<std::string> lines;
  if (graph.ok())
    for (const KeptInFp32& one : choose_fp32(*graph, {}).why)
      lines.push_back(fmt::format("{}: {}", one.node, name_of(one.rule)));
  return lines;
}

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

TEST(Fp32Nodes, a_product_with_itself_is_one_of_squares) {
  EXPECT_THAT(kept(R"(
    %t = transpose %x {perm=[1,0]} : f32[100,4]
    %dots = matmul %x, %t : f32[4,4]
    return %dots)"),
              ElementsAre("dots: statistics"));
}

TEST(Fp32Nodes, a_sum_by_ones_and_zeros_is_a_sum_and_by_an_identity_not) {
  const auto by = [](const std::string& weights) {
    return kept("%w = constant {value=[" + weights + "]} : f32[2,2]\n" +
                    "%y = matmul %x, %w : f32[4,2]\nreturn %y",
                "%x: f32[4,2]");
  };
  EXPECT_THAT(by("1,0,1,1"), ElementsAre("y: statistics"));
  EXPECT_THAT(by("0.5,0.5,0.5,0"), ElementsAre("y: statistics"));
  EXPECT_THAT(by("0.3,0,0,0.3"), IsEmpty());
  EXPECT_THAT(by("0.3,0.1,0,0.3"), IsEmpty());
}

TEST(Fp32Nodes, whole_numbers_beyond_2048_stay_whole_in_a_matmul) {
  EXPECT_THAT(kept(R"(
    %w = constant {value=[1,4097]} : f32[2,1]
    %y = matmul %x, %w : f32[4,1]
    %i = cast %y {to="i32"} : i32[4,1]
    return %i)",
                   "%x: f32[4,2]"),
              ElementsAre("y: wide_values", "i: wide_values"));
}

TEST(Fp32Nodes, products_of_small_weights_are_too_small_for_f16_until_a_norm) {
  const auto chain = [](const std::string& weight) {
    return kept("%w = constant {value=[" + weight + ",-" + weight + "," + weight + "," + weight +
                    R"(]} : f32[2,2]
    %one = constant {value=[1,1]} : f32[2]
    %zero = constant {value=[0,0]} : f32[2]
    %a = matmul %x, %w : f32[4,2]
    %b = matmul %a, %w : f32[4,2]
    %n = layer_norm %b, %one, %zero {eps=1e-12} : f32[4,2]
    %y = matmul %n, %w : f32[4,2]
    return %y)",
                "%x: f32[4,2]");
  };
  EXPECT_THAT(chain("0.003"), ElementsAre("b: small_values", "n: small_values"));
  EXPECT_THAT(chain("0.02"), IsEmpty());
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

TEST(Fp32Nodes, a_difference_from_squares_keeps_the_matmul_that_is_subtracted) {
  EXPECT_THAT(kept(R"(
    %w = constant {elided="00"} : f32[100,4]
    %s = mul %x, %x : f32[4,100]
    %n = reduce_sum %s {axes=[1]} : f32[4]
    %r = reshape %n {shape=[4,1]} : f32[4,1]
    %b = broadcast %r {shape=[4,4]} : f32[4,4]
    %g = matmul %x, %w : f32[4,4]
    %d = sub %b, %g : f32[4,4]
    return %d)"),
              ElementsAre("s: statistics", "n: statistics", "g: statistics", "d: statistics"));
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

TEST(Fp32Nodes, a_linear_map_and_a_softmax_need_nothing) {
  EXPECT_THAT(kept(R"(
    %w = constant {elided="00"} : f32[100,8]
    %h = matmul %x, %w : f32[4,8]
    %b = constant {value=[0.00001,0.00002,0,0,0,0,0,0]} : f32[8]
    %bs = broadcast %b {shape=[4,8]} : f32[4,8]
    %y = add %h, %bs : f32[4,8]
    %p = softmax %y {axis=1} : f32[4,8]
    return %p)"),
              IsEmpty());
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

TEST(Fp32Nodes, a_product_of_activations_is_f32_until_weights_meet_it) {
  EXPECT_THAT(kept(R"(
    %g = mul %x, %y : f32[4,100]
    %c = constant {value=0.5} : f32[4,100]
    %h = mul %g, %c : f32[4,100]
    %w = constant {value=[1,2]} : f32[2]
    %v = broadcast %w {shape=[100,2]} : f32[100,2]
    %z = matmul %h, %v : f32[4,2]
    return %z)",
                   "%x: f32[4,100], %y: f32[4,100]"),
              ElementsAre("g: wide_values", "h: wide_values"));
}

TEST(Fp32Nodes, a_matmul_whose_weights_add_up_to_0_takes_differences) {
  const auto by = [](const std::string& weights) {
    return kept("%w = constant {value=[" + weights + "]} : f32[2,2]\n" +
                    "%t = tanh %x : f32[4,2]\n%y = matmul %t, %w : f32[4,2]\nreturn %y",
                "%x: f32[4,2]");
  };
  EXPECT_THAT(by("0.5,-0.5,-0.5,0.5"), ElementsAre("t: statistics", "y: statistics"));
  EXPECT_THAT(by("0.5,-0.5,-0.5,0.4"), IsEmpty());
}

TEST(Fp32Nodes, a_mean_by_blocks_stays_with_its_sum_where_a_matmul_hands_it_out) {
  EXPECT_THAT(kept(R"(
    %g = constant {value=[0.5,0.5]} : f32[2,1]
    %b = constant {value=[1,1]} : f32[1,2]
    %m = matmul %x, %g : f32[4,1]
    %w = matmul %m, %b : f32[4,2]
    return %w)",
                   "%x: f32[4,2]"),
              ElementsAre("m: statistics", "w: statistics"));
}

TEST(Fp32Nodes, a_product_of_tokens_is_trusted_where_a_softmax_takes_it_and_nowhere_else) {
  const auto then = [](const std::string& rest) {
    return kept("%s = matmul %x, %y : f32[4,4]\n" + rest, "%x: f32[4,100], %y: f32[100,4]");
  };
  EXPECT_THAT(then("%p = softmax %s {axis=1} : f32[4,4]\nreturn %p"), IsEmpty());
  EXPECT_THAT(then("%t = tanh %s : f32[4,4]\nreturn %t"),
              ElementsAre("s: wide_values", "t: wide_values"));
}

TEST(Fp32Nodes, a_reciprocal_may_be_any_number_and_a_quotient_by_it_not) {
  const std::string reciprocal =
      "%w = constant {elided=\"00\"} : f32[100,100]\n%h = matmul %x, %w : f32[4,100]\n"
      "%one = constant {value=1} : f32[4,100]\n%r = div %one, %h : f32[4,100]\n";
  EXPECT_THAT(kept(reciprocal + "%y = matmul %r, %w : f32[4,100]\nreturn %y"),
              ElementsAre("r: wide_values", "y: wide_values"));
  EXPECT_THAT(
      kept(reciprocal + "%q = mul %h, %r : f32[4,100]\n%y = matmul %q, %w : f32[4,100]\nreturn %y"),
      ElementsAre("r: wide_values", "q: wide_values"));
}

TEST(Fp32Nodes, a_cube_stays_where_weights_meet_it_too) {
  EXPECT_THAT(kept(R"(
    %three = constant {value=3} : f32[4,100]
    %c = pow %x, %three : f32[4,100]
    %w = constant {elided="00"} : f32[100,8]
    %y = matmul %c, %w : f32[4,8]
    return %y)"),
              ElementsAre("c: wide_values", "y: wide_values"));
}

TEST(Fp32Nodes, weights_that_most_sums_lose_and_those_that_pass_the_range_are_kept) {
  const auto by = [](const std::string& weights) {
    return kept("%w = constant {value=[" + weights + "]} : f32[2,3]\n" +
                    "%y = matmul %x, %w : f32[4,3]\nreturn %y",
                "%x: f32[4,2]");
  };
  EXPECT_THAT(by("0.5,1e-6,2e-6,0.3,1e-6,3e-6"), ElementsAre("y: constants"));
  EXPECT_THAT(by("0.5,0.6,2e-6,0.3,0.6,3e-6"), IsEmpty());
  EXPECT_THAT(by("300,200,100,50,2,1"), ElementsAre("y: wide_values"));
}

TEST(Fp32Nodes, what_weights_make_of_a_norm_at_most_is_known) {
  const auto by = [](const std::string& weights) {
    return kept("%w = constant {value=[" + weights + "]} : f32[2,1]\n" + R"(
      %g = constant {value=1000} : f32[2]
      %b = constant {value=0} : f32[2]
      %t = tanh %x : f32[4,2]
      %n = layer_norm %t, %g, %b {eps=1e-5} : f32[4,2]
      %y = matmul %n, %w : f32[4,1]
      return %y)",
                "%x: f32[4,2]");
  };
  EXPECT_THAT(by("40,30"), IsEmpty());  // both numbers of a row are opposites
  EXPECT_THAT(by("40,-31"), ElementsAre("y: wide_values"));
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
