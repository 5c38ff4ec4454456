// SPDX-License-Identifier: Apache-2.0
// The products of matrices that stay in f32: by their weights, or by what is multiplied.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "passes/fp32_nodes.h"
#include "tests/passes/fp32_kept.h"

namespace tessera {
namespace {

using test::kept;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

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

}  // namespace
}  // namespace tessera
