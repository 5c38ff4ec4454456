// SPDX-License-Identifier: Apache-2.0
// Floats of 8 bits on the reference interpreter, with values worked by hand.
#include <cmath>
#include <limits>

#include "tests/ir/run.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

Values scaled_cast(const std::string& from, const std::string& to, int scale, const Values& x) {
  const std::string size = "[" + std::to_string(x.size()) + "]";
  return run("graph @f(%x: " + from + size + ") { %y = scaled_cast %x {to=\"" + to +
                 "\" scale=" + std::to_string(scale) + "} : " + to + size + " return %y }",
             {x});
}

TEST(ScaledCast, multiplies_by_the_power_of_two_and_rounds_once) {
  // Between 1 and 2 the numbers of f143 are eighths, and those of f152 quarters.
  EXPECT_THAT(scaled_cast("f32", "f143", 0, {1, 1.0625, 1.1875, -1.2}),
              ElementsAre(1, 1, 1.25, -1.25));
  EXPECT_THAT(scaled_cast("f32", "f152", 0, {1, 1.125, 1.375, -1.2}),
              ElementsAre(1, 1, 1.5, -1.25));
  // 232 is halfway between 224 and 240, whose last bit is 1.
  EXPECT_THAT(scaled_cast("f16", "f143", 3, {0.1, 1, 29, 31}), ElementsAre(0.8125, 8, 224, 240));
}

TEST(ScaledCast, saturates_and_keeps_nan) {
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_THAT(scaled_cast("f32", "f143", 0, {300, -inf, 1e9}), ElementsAre(240, -240, 240));
  EXPECT_THAT(scaled_cast("f32", "f152", 10, {300}), ElementsAre(57344));
  EXPECT_TRUE(std::isnan(scaled_cast("f32", "f152", 0, {std::nan("")})[0]));
}

TEST(ScaledCast, back_to_halves_is_exact_where_they_hold_it) {
  EXPECT_THAT(scaled_cast("f143", "f16", -1, {240, 0x1p-10, -1.125}),
              ElementsAre(120, 0x1p-11, -0.5625));
  EXPECT_THAT(scaled_cast("f152", "f16", 2, {57344}),
              ElementsAre(std::numeric_limits<double>::infinity()));
}

TEST(MatMulFp8, multiplies_the_product_of_the_codes_by_the_power_of_two) {
  EXPECT_THAT(run("graph @f(%a: f143[2,3], %b: f152[3,2]) {"
                  "%y = matmul_fp8 %a, %b {scale=-2} : f16[2,2] return %y }",
                  {
                      {1, 2, 3,   4, 5, 6},
                      {1, 2, 0.5, 4, 5, 6}
  }),
              ElementsAre(17.0 / 4, 28.0 / 4, 36.5 / 4, 64.0 / 4));
}

TEST(MatMulFp8, sums_in_f32_in_the_order_of_the_terms) {
  // 57344 · 57344 is past 2^31: beside it f32 loses a 1, and has it back after the difference.
  EXPECT_THAT(run("graph @f(%a: f152[1,3], %b: f152[3,2]) {"
                  "%y = matmul_fp8 %a, %b {scale=0} : f16[1,2] return %y }",
                  {
                      {57344, 1, 57344},
                      {57344, 57344, 1, 0, -57344, -57344}
  }),
              ElementsAre(0, 0));
  EXPECT_THAT(run("graph @f(%a: f152[1,3], %b: f152[3,1]) {"
                  "%y = matmul_fp8 %a, %b {scale=0} : f16[1,1] return %y }",
                  {
                      {57344, 57344,  1},
                      {57344, -57344, 1}
  }),
              ElementsAre(1));
}

TEST(Text, an_fp8_constant_is_its_numbers) {
  EXPECT_THAT(run("graph @f(%x: f32[3]) { %c = constant {value=[1.125,-240,nan]} : f143[3]"
                  "  %d = scaled_cast %c {to=\"f32\" scale=1} : f32[3] %y = add %x, %d : f32[3]"
                  " return %y }",
                  {
                      {0, 1, 0}
  }),
              ElementsAre(2.25, -479, ::testing::IsNan()));
}

}  // namespace
}  // namespace tessera
