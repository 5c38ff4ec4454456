// SPDX-License-Identifier: Apache-2.0
#include "support/float_mode.h"

#include <gtest/gtest.h>

#include <bit>
#include <cfenv>
#include <cmath>
#include <cstring>
#include <vector>

namespace tessera {
namespace {

// Not folded by the compiler, which does not know of modes.
float times(float a, float b) {
  volatile float x = a, y = b;
  return x * y;
}

TEST(KernelFloatMode, has_no_subnormals_and_gives_the_callers_mode_back) {
  EXPECT_GT(times(1e-20F, 1e-20F), 0);
  {
    const KernelFloatMode mode;
    EXPECT_EQ(times(1e-20F, 1e-20F), 0);           // a result
    EXPECT_EQ(times(1e-41F, 1e30F), 0);            // an operand
    EXPECT_TRUE(std::signbit(times(-1e-41F, 1)));  // its sign
    EXPECT_EQ(times(0x1p-126F, 1), 0x1p-126F);
  }
  EXPECT_GT(times(1e-20F, 1e-20F), 0);
}

TEST(KernelFloatMode, rounds_to_nearest_whatever_the_caller_does) {
  std::fesetround(FE_UPWARD);
  const float up = times(1.0000001F, 1.0000001F);
  float nearest = 0;
  {
    const KernelFloatMode mode;
    nearest = times(1.0000001F, 1.0000001F);
  }
  EXPECT_EQ(std::fegetround(), FE_UPWARD);
  std::fesetround(FE_TONEAREST);
  EXPECT_LT(nearest, up);
}

// Products that lie about the least normal number, by steps of a quarter of its last place.
TEST(ToNormal, rounds_as_the_processor_does) {
  for (int64_t step = -16; step <= 16; ++step) {
    const float a = 0x1p-63F, b = std::bit_cast<float>(static_cast<int32_t>(0x20000000 + step));
    const double exact = double{a} * double{b};
    const KernelFloatMode mode;
    EXPECT_EQ(std::bit_cast<uint32_t>(times(a, b)), std::bit_cast<uint32_t>(to_normal(exact)))
        << step;
  }
  // (1 + 2^-23) (1 - 2^-24 - 2^-24) = 1 - 2^-46: rounds up to 2^-126 with 24 bits.
  const float above = 0x1.000002p-63F, below = 0x1.fffffcp-64F;
  const float product = to_normal(double{above} * double{below});
  const KernelFloatMode mode;
  EXPECT_EQ(times(above, below), product);
}

TEST(WithoutSubnormals, changes_them_alone) {
  const std::vector<float> floats = {1, 1e-41F, -1e-41F, -0.0F, INFINITY, 0x1p-126F};
  const auto bytes = std::as_bytes(std::span(floats));
  EXPECT_TRUE(has_subnormals(bytes));
  EXPECT_FALSE(has_subnormals(bytes.first(4)));
  std::vector<float> made(floats.size());
  std::memcpy(made.data(), without_subnormals(bytes).get(), bytes.size());
  EXPECT_EQ(made, (std::vector<float>{1, 0, 0, 0, INFINITY, 0x1p-126F}));
  EXPECT_TRUE(std::signbit(made[2]));
}

}  // namespace
}  // namespace tessera
