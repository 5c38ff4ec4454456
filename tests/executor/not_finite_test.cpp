// SPDX-License-Identifier: Apache-2.0
// Infinities and NaN among answers are counted, and nothing else is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "executor/host_arrays.h"
#include "support/half.h"
#include "tests/helpers/small_program.h"
#include "tests/helpers/tiny_executable.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<NotFinite> found_in(DType dtype, const Bytes& bytes) {
  std::vector<NotFinite> found;
  find_not_finite("y", dtype, bytes, found);
  return found;
}

TEST(NotFinite, counts_infinities_and_nan_of_both_signs_and_float_types) {
  const std::vector<float> floats = {1, kInfinity, -kInfinity, kNan, -kNan, 3e38F, -0.0F};
  EXPECT_THAT(found_in(DType::F32, bytes_of(floats)), ElementsAre(NotFinite{"y", 4, 7}));
  std::vector<uint16_t> halves;
  for (const float value : {kInfinity, 65504.0F, -kNan, 6e-8F}) halves.push_back(to_half(value));
  EXPECT_THAT(found_in(DType::F16, bytes_of(halves)), ElementsAre(NotFinite{"y", 2, 4}));
}

TEST(NotFinite, says_nothing_of_finite_numbers_or_of_whole_ones) {
  EXPECT_THAT(found_in(DType::F32, bytes_of(std::vector<float>{0, 3e38F})), IsEmpty());
  EXPECT_THAT(found_in(DType::I32, bytes_of(std::vector<int32_t>{0x7f800000, -1})), IsEmpty());
  EXPECT_THAT(found_in(DType::F32, {}), IsEmpty());
}

TEST(NotFinite, is_asked_where_something_is_of_half_precision) {
  EXPECT_FALSE(computes_in_half(unverified_executable(kSmallProgram)));
  EXPECT_TRUE(computes_in_half(tiny_executable(kPricedProgram)));
}

TEST(NotFinite, says_which_output_and_what_to_do) {
  EXPECT_EQ(to_string(NotFinite{"y", 3, 8}),
            "output 'y': 3 of 8 numbers are not finite; where fp32 has finite ones, a value has "
            "passed 65504 in fp16: keep its node in fp32 with --fp16_skip_nodes (tessera check "
            "--by_layer finds it)");
}

}  // namespace
}  // namespace tessera
