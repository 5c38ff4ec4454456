// SPDX-License-Identifier: Apache-2.0
// The core ops on the reference interpreter, with values worked by hand.
#include <cmath>
#include <limits>

#include "tests/ir/run.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNan = std::nan("");

// One elementwise op of two operands, on a line of elements.
Values binary(const std::string& op, const std::string& dtype, const Values& a, const Values& b,
              const std::string& result = "") {
  const std::string size = "[" + std::to_string(a.size()) + "]";
  return run("graph @f(%a: " + dtype + size + ", %b: " + dtype + size + ") { %y = " + op +
                 " %a, %b : " + (result.empty() ? dtype : result) + size + " return %y }",
             {a, b});
}
Values unary(const std::string& op, const std::string& dtype, const Values& a) {
  const std::string type = dtype + "[" + std::to_string(a.size()) + "]";
  return run("graph @f(%a: " + type + ") { %y = " + op + " %a : " + type + " return %y }", {a});
}

TEST(Elementwise, arithmetic_is_that_of_its_numbers) {
  EXPECT_THAT(binary("add", "f32", {1, 2}, {0.5, -3}), ElementsAre(1.5, -1));
  EXPECT_THAT(binary("sub", "i32", {1, 2}, {5, -3}), ElementsAre(-4, 5));
  EXPECT_THAT(binary("mul", "f16", {3, 2}, {0.5, -3}), ElementsAre(1.5, -6));
  EXPECT_THAT(binary("div", "f32", {1, 1, -1, 0}, {4, 0, 0, 0}), near({0.25, kInf, -kInf, kNan}));
  EXPECT_THAT(binary("pow", "f32", {2, 9, 2}, {3, 0.5, -1}), ElementsAre(8, 3, 0.5));
  EXPECT_THAT(binary("pow", "i32", {2, -3}, {10, 3}), ElementsAre(1024, -27));
}

TEST(Elementwise, integer_division_truncates_towards_zero) {
  EXPECT_THAT(binary("div", "i32", {7, -7, 7, -7}, {2, 2, -2, -2}), ElementsAre(3, -3, -3, 3));
}

TEST(Elementwise, results_are_rounded_once_to_their_dtype) {
  EXPECT_THAT(binary("add", "f16", {2048, 65504}, {1, 65504}), ElementsAre(2048, kInf));
  EXPECT_THAT(binary("mul", "f32", {16777217}, {1}), ElementsAre(16777216));
}

TEST(Elementwise, max_and_min_give_nan_where_either_is) {
  EXPECT_THAT(binary("max", "f32", {1, 5, kNan, 1}, {2, 3, 1, kNan}), near({2, 5, kNan, kNan}));
  EXPECT_THAT(binary("min", "f32", {1, 5, kNan, 1}, {2, 3, 1, kNan}), near({1, 3, kNan, kNan}));
  EXPECT_THAT(binary("max", "i32", {-4, 7}, {2, 3}), ElementsAre(2, 7));
}

TEST(Elementwise, comparisons_give_bools) {
  EXPECT_THAT(binary("equal", "f32", {1, 2, kNan}, {1, 3, kNan}, "bool"), ElementsAre(1, 0, 0));
  EXPECT_THAT(binary("equal", "bool", {1, 0}, {1, 1}, "bool"), ElementsAre(1, 0));
  EXPECT_THAT(binary("less", "i32", {1, 2, 3}, {2, 2, 2}, "bool"), ElementsAre(1, 0, 0));
}

TEST(Elementwise, and_and_not_are_of_bools) {
  EXPECT_THAT(binary("and", "bool", {0, 0, 1, 1}, {0, 1, 0, 1}), ElementsAre(0, 0, 0, 1));
  EXPECT_THAT(unary("not", "bool", {0, 1}), ElementsAre(1, 0));
}

TEST(Elementwise, functions_of_one_operand) {
  EXPECT_THAT(unary("abs", "i32", {-3, 4}), ElementsAre(3, 4));
  EXPECT_THAT(unary("exp", "f32", {0, 1, -kInf}), near({1, std::exp(1.0), 0}));
  EXPECT_THAT(unary("log", "f32", {1, 0, -1}), near({0, -kInf, kNan}));
  EXPECT_THAT(unary("sqrt", "f32", {9, 2}), near({3, 1.41421356}));
  EXPECT_THAT(unary("floor", "f32", {1.5, -1.5}), ElementsAre(1, -2));
  EXPECT_THAT(unary("round", "f32", {0.5, 1.5, -2.5, 2.4, -0.6, 8388609}),
              ElementsAre(0, 2, -2, 2, -1, 8388609));
  EXPECT_THAT(unary("erf", "f32", {0, 1}), near({0, 0.84270079}));
  EXPECT_THAT(unary("tanh", "f32", {0, 1, 100}), near({0, 0.76159416, 1}));
  EXPECT_THAT(unary("sin", "f32", {0, 1, -2, kInf}), near({0, 0.84147098, -0.90929743, kNan}));
  EXPECT_THAT(unary("cos", "f32", {0, 1, -2, kInf}), near({1, 0.54030231, -0.41614684, kNan}));
}

TEST(Elementwise, gelu_has_two_forms_that_differ_in_the_fourth_digit) {
  const auto gelu = [](const std::string& form) {
    return run("graph @f(%x: f32[3]) { %y = gelu %x {form=\"" + form + "\"} : f32[3] return %y }",
               {
                   {0, 1, -2}
    });
  };
  EXPECT_THAT(gelu("erf"), near({0, 0.8413447, -0.0455003}));
  EXPECT_THAT(gelu("tanh"), near({0, 0.8411920, -0.0454023}));
}

TEST(Elementwise, select_takes_the_first_where_the_condition_holds) {
  EXPECT_THAT(run("graph @f(%c: bool[3], %a: f32[3], %b: f32[3]) {"
                  " %y = select %c, %a, %b : f32[3] return %y }",
                  {
                      {1,  0,  1   },
                      {1,  2,  3   },
                      {-1, -2, kNan}
  }),
              ElementsAre(1, -2, 3));
}

TEST(Elementwise, cast_rounds_truncates_or_asks_for_zero) {
  const auto cast = [](const std::string& from, const std::string& to, const Values& values) {
    const std::string size = "[" + std::to_string(values.size()) + "]";
    return run("graph @f(%x: " + from + size + ") { %y = cast %x {to=\"" + to + "\"} : " + to +
                   size + " return %y }",
               {values});
  };
  EXPECT_THAT(cast("f32", "f16", {0.1, 1e6}), ElementsAre(0.0999755859375, kInf));
  EXPECT_THAT(cast("f32", "i32", {2.9, -2.9}), ElementsAre(2, -2));
  EXPECT_THAT(cast("i32", "f32", {16777217}), ElementsAre(16777216));
  EXPECT_THAT(cast("f32", "bool", {0, 0.5, -1}), ElementsAre(0, 1, 1));
  EXPECT_THAT(cast("bool", "f32", {0, 1}), ElementsAre(0, 1));
}

TEST(Integers, results_that_do_not_fit_are_errors) {
  const auto error = [](const std::string& op, double a, double b) {
    return run_error(
        "graph @f(%a: i32[1], %b: i32[1]) { %y = " + op + " %a, %b : i32[1] return %y }",
        {{a}, {b}});
  };
  EXPECT_EQ(error("add", 2147483647, 1),
            "y: add: element 0 is 2147483648.000000, must fit in 32 bits");
  EXPECT_EQ(error("div", -2147483648, -1),
            "y: div: element 0 is 2147483648.000000, must fit in 32 bits");
  EXPECT_EQ(error("div", 5, 0), "y: div: element 0 divides an integer by 0");
  EXPECT_EQ(run_error("graph @f(%x: f32[2]) { %y = cast %x {to=\"i32\"} : i32[2] return %y }",
                      {
                          {1, kNan}
  }),
            "y: cast: element 1 is nan, must fit in 32 bits");
}

TEST(Shape, broadcast_stretches_dimensions_of_one_and_adds_leading_ones) {
  EXPECT_THAT(run("graph @f(%x: f32[2,1]) { %y = broadcast %x {shape=[2,2,3]} : f32[2,2,3]"
                  " return %y }",
                  {
                      {1, 2}
  }),
              ElementsAre(1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2));
  EXPECT_THAT(
      run("graph @f(%x: f32[]) { %y = broadcast %x {shape=[3]} : f32[3] return %y }", {{7}}),
      ElementsAre(7, 7, 7));
}

TEST(Shape, reshape_keeps_the_order_of_elements) {
  EXPECT_THAT(run("graph @f(%x: i32[2,3]) { %y = reshape %x {shape=[3,1,2]} : i32[3,1,2]"
                  " return %y }",
                  {
                      {1, 2, 3, 4, 5, 6}
  }),
              ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(Shape, transpose_puts_dimension_perm_i_at_place_i) {
  EXPECT_THAT(run("graph @f(%x: i32[2,3]) { %y = transpose %x {perm=[1,0]} : i32[3,2] return %y }",
                  {
                      {1, 2, 3, 4, 5, 6}
  }),
              ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_THAT(run("graph @f(%x: i32[2,1,3]) { %y = transpose %x {perm=[2,0,1]} : i32[3,2,1]"
                  " return %y }",
                  {
                      {1, 2, 3, 4, 5, 6}
  }),
              ElementsAre(1, 4, 2, 5, 3, 6));
}

TEST(Shape, slice_steps_forwards_and_backwards) {
  EXPECT_THAT(run("graph @f(%x: i32[2,5]) {"
                  " %y = slice %x {start=[1,4] step=[1,-2] size=[1,3]} : i32[1,3] return %y }",
                  {
                      {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
  }),
              ElementsAre(9, 7, 5));
  EXPECT_THAT(run("graph @f(%x: i32[3]) { %y = slice %x {start=[0] step=[1] size=[0]} : i32[0]"
                  " return %y }",
                  {
                      {1, 2, 3}
  }),
              ElementsAre());
}

TEST(Shape, concat_joins_along_its_axis) {
  const std::string inputs = "graph @f(%a: i32[2,1], %b: i32[2,2]) { ";
  EXPECT_THAT(run(inputs + "%y = concat %a, %b {axis=1} : i32[2,3] return %y }",
                  {
                      {1, 2},
                      {3, 4, 5, 6}
  }),
              ElementsAre(1, 3, 4, 2, 5, 6));
  EXPECT_THAT(run(inputs + "%y = concat %b, %b {axis=0} : i32[4,2] return %y }",
                  {
                      {1, 2},
                      {3, 4, 5, 6}
  }),
              ElementsAre(3, 4, 5, 6, 3, 4, 5, 6));
}

TEST(Gather, the_indices_shape_takes_the_place_of_the_axis) {
  EXPECT_THAT(run("graph @f(%t: f32[3,2], %i: i32[2,2]) { %y = gather %t, %i {axis=0} : f32[2,2,2]"
                  " return %y }",
                  {
                      {0, 1, 10, 11, 20, 21},
                      {0, 2, -1, 1}
  }),
              ElementsAre(0, 1, 20, 21, 20, 21, 10, 11));
  EXPECT_THAT(run("graph @f(%t: f32[3,2], %i: i32[]) { %y = gather %t, %i {axis=1} : f32[3]"
                  " return %y }",
                  {
                      {0, 1, 10, 11, 20, 21},
                      {1}
  }),
              ElementsAre(1, 11, 21));
}

TEST(Gather, an_index_out_of_range_is_named_with_the_range) {
  const std::string text =
      "graph @f(%t: f32[3,2], %i: i32[1]) { %y = gather %t, %i {axis=0} : f32[1,2] return %y }";
  const Values table = {0, 1, 10, 11, 20, 21};
  EXPECT_EQ(run_error(text, {table, {3}}), "y: gather: index is 3, must be within -3 .. 2");
  EXPECT_EQ(run_error(text, {table, {-4}}), "y: gather: index is -4, must be within -3 .. 2");
}

TEST(MatMul, multiplies_the_last_two_dimensions) {
  EXPECT_THAT(
      run("graph @f(%a: f32[2,2], %b: f32[2,3]) { %y = matmul %a, %b : f32[2,3] return %y }",
          {
              {1, 2, 3, 4},
              {1, 0, -1, 2, 1, 0}
  }),
      ElementsAre(5, 2, -1, 11, 4, -3));
}

TEST(MatMul, takes_one_matrix_for_all_or_one_for_each) {
  EXPECT_THAT(run("graph @f(%a: f32[2,1,2], %b: f32[2,1]) { %y = matmul %a, %b : f32[2,1,1]"
                  " return %y }",
                  {
                      {1, 2, 3, 4},
                      {10, 1}
  }),
              ElementsAre(12, 34));
  EXPECT_THAT(run("graph @f(%a: f32[2,1,2], %b: f32[2,2,1]) { %y = matmul %a, %b : f32[2,1,1]"
                  " return %y }",
                  {
                      {1,  2, 3,  4},
                      {10, 1, 20, 2}
  }),
              ElementsAre(12, 68));
}

TEST(MatMul, rounds_a_sum_once) {
  // 2048 + 1 + 1: rounding each step to f16 would give 2048.
  EXPECT_THAT(
      run("graph @f(%a: f16[1,3], %b: f16[3,1]) { %y = matmul %a, %b : f16[1,1] return %y }",
          {
              {2048, 1, 1},
              {1,    1, 1}
  }),
      ElementsAre(2050));
}

TEST(Reduce, reduced_axes_leave_the_shape) {
  const std::string inputs = "graph @f(%x: f32[2,3]) { ";
  const Values x = {1, 2, 3, 4, 5, 9};
  EXPECT_THAT(run(inputs + "%y = reduce_sum %x {axes=[1]} : f32[2] return %y }", {x}),
              ElementsAre(6, 18));
  EXPECT_THAT(run(inputs + "%y = reduce_max %x {axes=[0]} : f32[3] return %y }", {x}),
              ElementsAre(4, 5, 9));
  EXPECT_THAT(run(inputs + "%y = reduce_sum %x {axes=[0,1]} : f32[] return %y }", {x}),
              ElementsAre(24));
  EXPECT_THAT(run(inputs + "%y = reduce_sum %x {axes=[]} : f32[2,3] return %y }", {x}),
              ElementsAre(1, 2, 3, 4, 5, 9));
}

TEST(Reduce, the_largest_of_negatives_is_negative_and_nan_wins) {
  EXPECT_THAT(run("graph @f(%x: f32[2,2]) { %y = reduce_max %x {axes=[1]} : f32[2] return %y }",
                  {
                      {-3, -2, 1, kNan}
  }),
              near({-2, kNan}));
}

TEST(Reduce, the_sum_of_nothing_is_zero) {
  EXPECT_THAT(
      run("graph @f(%x: f32[2,0]) { %y = reduce_sum %x {axes=[1]} : f32[2] return %y }", {{}}),
      ElementsAre(0, 0));
}

TEST(CumSum, each_element_is_the_sum_up_to_and_with_it) {
  const std::string inputs = "graph @f(%x: i32[2,3]) { ";
  const Values x = {1, 2, 3, 10, 20, 30};
  EXPECT_THAT(run(inputs + "%y = cumsum %x {axis=1} : i32[2,3] return %y }", {x}),
              ElementsAre(1, 3, 6, 10, 30, 60));
  EXPECT_THAT(run(inputs + "%y = cumsum %x {axis=0} : i32[2,3] return %y }", {x}),
              ElementsAre(1, 2, 3, 11, 22, 33));
}

TEST(Softmax, of_equal_values_is_uniform) {
  EXPECT_THAT(run("graph @f(%x: f32[4]) { %y = softmax %x {axis=0} : f32[4] return %y }",
                  {
                      {7, 7, 7, 7}
  }),
              ElementsAre(0.25, 0.25, 0.25, 0.25));
}

TEST(Softmax, runs_along_its_axis_and_never_overflows) {
  const double big = 1 / (1 + std::exp(-1.0));
  EXPECT_THAT(run("graph @f(%x: f32[2,2]) { %y = softmax %x {axis=0} : f32[2,2] return %y }",
                  {
                      {1000, -kInf, 1001, 3}
  }),
              near({1 - big, 0, big, 1}));
}

TEST(LayerNorm, a_row_has_mean_zero_and_variance_one_before_gamma_and_beta) {
  EXPECT_THAT(run("graph @f(%x: f32[2,2], %g: f32[2], %b: f32[2]) {"
                  " %y = layer_norm %x, %g, %b {eps=0} : f32[2,2] return %y }",
                  {
                      {1, 3, -5, -5.5},
                      {1, 10},
                      {0, 100}
  }),
              near({-1, 110, 1, 90}));
}

TEST(LayerNorm, eps_is_added_to_the_variance) {
  EXPECT_THAT(run("graph @f(%x: f32[1,2], %g: f32[2], %b: f32[2]) {"
                  " %y = layer_norm %x, %g, %b {eps=3} : f32[1,2] return %y }",
                  {
                      {1, 3},
                      {1, 1},
                      {0, 0}
  }),
              near({-0.5, 0.5}));
}

// Squares of 3 and 4 have a mean of 12.5, to which eps adds 12.5.
TEST(RmsNorm, a_row_is_divided_by_the_root_of_its_mean_square_and_eps) {
  EXPECT_THAT(run("graph @f(%x: f32[2,2], %g: f32[2]) {"
                  " %y = rms_norm %x, %g {eps=12.5} : f32[2,2] return %y }",
                  {
                      {3, 4, -3, 4},
                      {1, 10}
  }),
              near({0.6, 8, -0.6, 8}));
}

// A quarter turn takes (a, b) to (-b, a). Two sequences of one token, two heads.
TEST(Rotary, rotates_neighbours) {
  EXPECT_THAT(run("graph @f(%x: f32[2,1,4], %c: f32[1,1,2], %s: f32[1,1,2]) {"
                  " %y = rotary %x, %c, %s {heads=2 form=\"pairs\"} : f32[2,1,4] return %y }",
                  {
                      {1, 2, 3, 4, 5, 6, 7, 8},
                      {0, 0},
                      {-1, 1}
  }),
              near({-2, 1, -4, 3, -6, 5, -8, 7}));
}

// The first pair by a quarter, the second by a half turn; the second token not at all.
TEST(Rotary, rotates_numbers_that_are_half_a_head_apart) {
  EXPECT_THAT(
      run("graph @f(%x: f32[1,2,4], %c: f32[1,2,4], %s: f32[1,2,4]) {"
          " %y = rotary %x, %c, %s {heads=1 form=\"halves\"} : f32[1,2,4] return %y }",
          {
              {1,  2,  3, 4,  5, 6, 7, 8},
              {0,  -1, 0, -1, 1, 1, 1, 1},
              {-1, 0,  1, 0,  0, 0, 0, 0}
  }),
      near({-3, -2, 1, -4, 5, 6, 7, 8}));
}

TEST(Rotary, each_sequence_may_have_angles_of_its_own) {
  EXPECT_THAT(run("graph @f(%x: f32[2,1,2], %c: f32[2,1,2], %s: f32[2,1,2]) {"
                  " %y = rotary %x, %c, %s {heads=1 form=\"pairs\"} : f32[2,1,2] return %y }",
                  {
                      {1, 2, 3,  4},
                      {1, 1, 0,  0},
                      {0, 0, -1, 1}
  }),
              near({1, 2, -4, 3}));
}

}  // namespace
}  // namespace tessera
