// SPDX-License-Identifier: Apache-2.0
#include "check/fp8_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "support/fp8.h"

namespace tessera {
namespace {

constexpr DType kFormats[] = {DType::F143, DType::F152};

TEST(Fp8Losses, are_as_worked_by_hand) {
  const std::vector<float> wanted = {3, 4}, got = {4, 3};
  EXPECT_DOUBLE_EQ(fp8_loss(Fp8Loss::Mse, wanted, got), 1);
  EXPECT_DOUBLE_EQ(fp8_loss(Fp8Loss::Mae, wanted, got), 1);
  EXPECT_DOUBLE_EQ(fp8_loss(Fp8Loss::Snr, wanted, got), 2.0 / 25);
  EXPECT_NEAR(fp8_loss(Fp8Loss::CosDist, wanted, got), 1 - 24.0 / 25, 1e-15);
  // Three numbers became 0: two that were, and one of the two that were 1.
  const std::vector<float> p = {0, 0, 1, 1}, q = {0, 0, 0, 1};
  EXPECT_NEAR(fp8_loss(Fp8Loss::Kld, p, q), 0.5 * std::log(2 / 1.5) + 0.25 * std::log(1 / 1.5),
              1e-12);
  // One of four is beyond the largest: its bin is empty in q, and the others are as they were.
  const std::vector<float> far = {-1, 0, 1, 9}, cut = {-1, 0, 1, 1};
  EXPECT_NEAR(fp8_loss(Fp8Loss::Kld, far, cut), 0.25 * std::log(1 / 1e-3), 1e-12);
}

TEST(Fp8Losses, of_equal_numbers_are_0_and_names_are_read_back) {
  const std::vector<float> numbers = {-3, 0, 0.5, 100};
  for (const Fp8Loss loss : kFp8Losses) {
    EXPECT_EQ(fp8_loss(loss, numbers, numbers), 0) << to_string(loss);
    EXPECT_EQ(*parse_fp8_loss(to_string(loss)), loss);
  }
  EXPECT_EQ(parse_fp8_loss("gptq").error().message,
            "calibration_loss_type: 'gptq', must be one of mse, mae, snr, kld, cos_dist");
}

// All numbers of a format times 2^s fit this scale alone: a finer one saturates, a coarser one
// loses the least.
TEST(Fp8Scales, numbers_of_a_scale_have_that_scale_by_every_loss) {
  for (const DType format : kFormats) {
    for (const int64_t scale : {-12, -3, 0, 5}) {
      std::vector<float> numbers;
      for (int code = 0; code < 256; ++code)
        if (code != kFp8NaN)
          numbers.push_back(
              std::ldexp(from_fp8(format, static_cast<uint8_t>(code)), static_cast<int>(scale)));
      for (const Fp8Loss loss : kFp8Losses) {
        const Fp8Scale best = best_fp8_scale(loss, numbers, format);
        EXPECT_EQ(best.scale, scale) << to_string(loss);
        EXPECT_EQ(best.loss, 0) << to_string(loss);
      }
    }
  }
}

TEST(Fp8Scales, one_number_far_out_is_given_up_for_the_many) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.001F);
  std::vector<float> numbers(10000);
  for (float& number : numbers) number = normal(random);
  const int64_t without = best_fp8_scale(Fp8Loss::Mae, numbers, DType::F143).scale;
  numbers[0] = 1;
  EXPECT_LT(best_fp8_scale(Fp8Loss::Mae, numbers, DType::F143).scale, -8 + 4);
  EXPECT_LE(without, -8);
}

TEST(Fp8Scales, of_zeros_is_0_and_of_the_smallest_the_least) {
  EXPECT_EQ(best_fp8_scale(Fp8Loss::Mse, std::vector<float>(5, 0.0F), DType::F143).scale, 0);
  EXPECT_EQ(best_fp8_scale(Fp8Loss::Mse, std::vector<float>(5, 1e-30F), DType::F143).scale,
            kLeastFp8Scale);
}

}  // namespace
}  // namespace tessera
