// SPDX-License-Identifier: Apache-2.0
#include "support/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace tessera {
namespace {

TEST(Half, every_half_survives_the_way_through_float) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = from_half(half);
    if (std::isnan(value)) {
      EXPECT_TRUE((half & 0x7c00) == 0x7c00 && (half & 0x3ff) != 0) << bits;
      EXPECT_TRUE(std::isnan(from_half(to_half(value)))) << bits;
    } else {
      EXPECT_EQ(to_half(value), half) << bits;
      EXPECT_EQ(to_half(static_cast<double>(value)), half) << bits;
    }
  }
}

TEST(Half, known_values) {
  EXPECT_EQ(from_half(0x3c00), 1.0f);
  EXPECT_EQ(from_half(0xc000), -2.0f);
  EXPECT_EQ(from_half(0x7bff), kMaxHalf);
  EXPECT_EQ(from_half(0x0001), 0x1p-24f);
  EXPECT_EQ(from_half(0x03ff), 0x3ffp-24f);
  EXPECT_EQ(from_half(0x0400), 0x1p-14f);
  EXPECT_EQ(from_half(0xfc00), -std::numeric_limits<float>::infinity());
}

TEST(Half, halfway_goes_to_the_even_neighbour) {
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {
    const double low = from_half(static_cast<uint16_t>(bits));
    const double high = from_half(static_cast<uint16_t>(bits + 1));
    const double middle = (low + high) / 2;
    EXPECT_EQ(to_half(middle), bits + (bits & 1)) << bits;
    EXPECT_EQ(to_half(std::nextafter(middle, low)), bits) << bits;
    EXPECT_EQ(to_half(std::nextafter(middle, high)), bits + 1) << bits;
  }
}

TEST(Half, beyond_the_largest_is_infinity_from_its_halfway_on) {
  EXPECT_EQ(to_half(65519.99), 0x7bff);
  EXPECT_EQ(to_half(65520.0), 0x7c00);
  EXPECT_EQ(to_half(-1e300), 0xfc00);
}

TEST(Half, below_half_the_smallest_is_zero_of_the_same_sign) {
  EXPECT_EQ(to_half(0x1p-25), 0x0000);
  EXPECT_EQ(to_half(0x1.0000001p-25), 0x0001);
  EXPECT_EQ(to_half(-0x1p-30), 0x8000);
  EXPECT_EQ(to_half(-0.0f), 0x8000);
}

TEST(Half, many_at_once_are_the_same_as_one_at_a_time) {
  std::vector<float> floats;
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 4099)
    floats.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  for (uint32_t half = 0; half < 0x7c00; ++half) {  // every half, and the floats around each tie
    const float low = from_half(static_cast<uint16_t>(half));
    const float tie = low + (from_half(static_cast<uint16_t>(half + 1)) - low) / 2;
    for (float value : {low, tie, std::nextafter(tie, 0.0f), std::nextafter(tie, 1e9f), -tie})
      floats.push_back(value);
  }
  std::vector<uint16_t> halves(floats.size());
  to_half(floats, halves);
  for (size_t i = 0; i < floats.size(); ++i)
    ASSERT_EQ(halves[i], to_half(floats[i])) << std::hexfloat << floats[i];
}

TEST(Half, double_is_rounded_once_and_not_through_float) {
  // Just above a tie; a float in between would make it the tie, which goes down to even.
  const double value = 1 + 0x1p-11 + 0x1p-40;
  EXPECT_EQ(to_half(value), 0x3c01);
  EXPECT_EQ(to_half(static_cast<float>(value)), 0x3c00);
}

}  // namespace
}  // namespace tessera
