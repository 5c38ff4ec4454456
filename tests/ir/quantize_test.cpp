// SPDX-License-Identifier: Apache-2.0
// Quantized numbers on the reference interpreter, with values worked by hand.
#include <cmath>
#include <limits>

#include "tests/ir/run.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

Values quantize(const std::string& to, const Values& x, const Values& scale, const Values& zero) {
  const std::string size = "[" + std::to_string(x.size()) + "]";
  return run("graph @f(%x: f32" + size + ", %s: f32" + size + ", %z: " + to + size +
                 ") { %y = quantize %x, %s, %z {to=\"" + to + "\"} : " + to + size + " return %y }",
             {x, scale, zero});
}

TEST(Quantize, rounds_half_to_even_and_ends_at_the_ends) {
  EXPECT_THAT(quantize("u8", {1, 3, 5, -1, 600, -600}, Values(6, 2), Values(6, 10)),
              ElementsAre(10, 12, 12, 10, 255, 0));
  EXPECT_THAT(quantize("i8", {1, 3, 300, -300, 0.2}, {2, 2, 2, 2, 0.1}, {0, 0, 0, 0, -5}),
              ElementsAre(0, 2, 127, -128, -3));
}

// 0.35 / 0.1 is 3.4999999 in doubles of these floats and 3.5 in f32, which goes to 4.
TEST(Quantize, divides_in_f32) {
  EXPECT_THAT(quantize("u8", {0.35F}, {0.1F}, {0}), ElementsAre(4));
}

TEST(Quantize, of_what_is_not_a_number_is_the_least_number_that_zero_leads_to) {
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_THAT(quantize("u8", {inf, -inf}, {1, 1}, {3, 3}), ElementsAre(255, 0));
}

TEST(Dequantize, subtracts_before_it_multiplies) {
  EXPECT_THAT(run("graph @f(%x: u8[3], %s: f32[3], %z: u8[3]) { %y = dequantize %x, %s, %z : "
                  "f32[3] return %y }",
                  {
                      {0,   255, 7},
                      {0.5, 2,   1},
                      {3,   5,   7}
  }),
              ElementsAre(-1.5, 500, 0));
  EXPECT_THAT(run("graph @f(%x: i32[1], %s: f32[1], %z: i32[1]) { %y = dequantize %x, %s, %z : "
                  "f32[1] return %y }",
                  {{100000}, {0.5}, {0}}),
              ElementsAre(50000));
}

TEST(Cast, to_bytes_cuts_off_and_ends_at_the_ends) {
  EXPECT_THAT(run("graph @f(%x: f32[4]) { %y = cast %x {to=\"i8\"} : i8[4] return %y }",
                  {
                      {1.9, -1.9, 300, -300}
  }),
              ElementsAre(1, -1, 127, -128));
  EXPECT_THAT(run("graph @f(%x: i32[3]) { %y = cast %x {to=\"u8\"} : u8[3] return %y }",
                  {
                      {-1, 200, 256}
  }),
              ElementsAre(0, 200, 255));
}

TEST(MatMulInteger, takes_off_a_zero_point_for_each_row_and_column) {
  EXPECT_THAT(run("graph @f(%a: u8[2,2], %b: i8[2,2], %p: u8[2,1], %q: i8[1,2]) { %y = "
                  "matmul_integer %a, %b, %p, %q : i32[2,2] return %y }",
                  {
                      {255, 0, 3, 4},
                      {-128, 127, 1, 2},
                      {255, 1},
                      {-128, 0}
  }),
              // a less its zeros: 0 -255; 2 3. b less its: 0 127; 129 2.
              ElementsAre(-255 * 129, -255 * 2, 3 * 129, 2 * 127 + 3 * 2));
}

TEST(MatMulInteger, has_a_matrix_for_each_of_a_batch) {
  EXPECT_THAT(run("graph @f(%a: i8[2,1,2], %b: i8[2,2,1], %p: i8[2,1,1], %q: i8[2,1,1]) { %y = "
                  "matmul_integer %a, %b, %p, %q : i32[2,1,1] return %y }",
                  {
                      {1, 2, 3, 4},
                      {5, 6, 7, 8},
                      {0, 1},
                      {0, 2}
  }),
              ElementsAre(17, 2 * 5 + 3 * 6));
}

TEST(RowEnds, reach_from_0_to_both_sides) {
  EXPECT_THAT(run("graph @f(%x: f32[3,2]) { %y = row_ends %x : f32[3,2] return %y }",
                  {
                      {1, -2, 3, 4, -5, std::nan("")}
  }),
              near({2, 1, 0, 4, std::nan(""), std::nan("")}));
}

TEST(SegmentMax, is_over_the_tokens_of_one_id_and_row) {
  EXPECT_THAT(run("graph @f(%x: f32[2,4,1], %n: i32[2,4]) { %y = segment_max %x, %n : f32[2,4,1] "
                  "return %y }",
                  {
                      {1, 5, 2, 9, 1, 2, 3, 4},
                      {1, 2, 1, 0, 2, 2, 1, 0}
  }),
              ElementsAre(2, 5, 2, 9, 2, 2, 3, 4));
}

}  // namespace
}  // namespace tessera
