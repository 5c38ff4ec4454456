// SPDX-License-Identifier: Apache-2.0
// All codes of both formats, both ways. The formats are PyTorch's float8_e4m3fnuz and
// float8_e5m2fnuz, whose values this file states by their formula.
#include "support/fp8.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace tessera {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Format {
  DType dtype;
  int exponent_bits, fraction_bits, bias;
};
void PrintTo(const Format& format, std::ostream* out) { *out << to_string(format.dtype); }
class Fp8 : public ::testing::TestWithParam<Format> {
 protected:
  // (-1)^s 2^(e - bias) (1 + f / 2^bits), and with e = 0: (-1)^s 2^(1 - bias) f / 2^bits.
  static double value_of(int code) {
    const Format& is = GetParam();
    const int fraction = code % (1 << is.fraction_bits);
    const int exponent = code / (1 << is.fraction_bits) % (1 << is.exponent_bits);
    const double share = static_cast<double>(fraction) / (1 << is.fraction_bits);
    const double size = exponent == 0 ? std::pow(2.0, 1 - is.bias) * share
                                      : std::pow(2.0, exponent - is.bias) * (1 + share);
    return code >= 128 ? -size : size;
  }
  static DType format() { return GetParam().dtype; }
};
INSTANTIATE_TEST_SUITE_P(Formats, Fp8,
                         ::testing::Values(Format{DType::F143, 4, 3, 8},
                                           Format{DType::F152, 5, 2, 16}),
                         [](const auto& info) { return std::string(to_string(info.param.dtype)); });

TEST_P(Fp8, every_code_but_that_of_nan_has_the_value_of_the_formula_and_comes_back) {
  for (int code = 0; code < 256; ++code) {
    if (code == kFp8NaN) continue;
    EXPECT_EQ(from_fp8(format(), static_cast<uint8_t>(code)), value_of(code)) << code;
    EXPECT_EQ(to_fp8(format(), value_of(code)), code) << code;
  }
}

TEST_P(Fp8, the_code_of_minus_zero_is_nan_and_no_other_is) {
  EXPECT_TRUE(std::isnan(from_fp8(format(), 0x80)));
  EXPECT_EQ(to_fp8(format(), std::numeric_limits<double>::quiet_NaN()), 0x80);
  EXPECT_EQ(to_fp8(format(), -0.0), 0);
}

TEST_P(Fp8, codes_rise_with_their_values) {
  for (uint8_t code = 0; code < 127; ++code)
    EXPECT_LT(from_fp8(format(), code), from_fp8(format(), code + 1)) << int{code};
}

TEST_P(Fp8, halfway_goes_to_the_even_neighbour) {
  for (uint8_t code = 0; code < 127; ++code) {
    const double low = from_fp8(format(), code), high = from_fp8(format(), code + 1);
    const double middle = (low + high) / 2;
    const int even = code + (code & 1);
    EXPECT_EQ(to_fp8(format(), middle), even) << int{code};
    EXPECT_EQ(to_fp8(format(), -middle), even == 0 ? 0 : even + 128) << int{code};
    EXPECT_EQ(to_fp8(format(), std::nextafter(middle, low)), code) << int{code};
    EXPECT_EQ(to_fp8(format(), std::nextafter(middle, high)), code + 1) << int{code};
  }
}

TEST_P(Fp8, what_is_beyond_the_largest_becomes_the_largest) {
  const double largest = fp8_format(format()).largest;
  EXPECT_EQ(from_fp8(format(), 0x7f), largest);
  for (const double beyond : {largest * 1.01, largest * 2, 1e300, kInfinity}) {
    EXPECT_EQ(to_fp8(format(), beyond), 0x7f) << beyond;
    EXPECT_EQ(to_fp8(format(), -beyond), 0xff) << beyond;
  }
}

TEST(Fp8Formats, known_values) {
  EXPECT_EQ(from_fp8(DType::F143, 0x40), 1);
  EXPECT_EQ(from_fp8(DType::F143, 0x7f), 240);
  EXPECT_EQ(from_fp8(DType::F143, 0x01), 0x1p-10f);
  EXPECT_EQ(from_fp8(DType::F143, 0x08), 0x1p-7f);
  EXPECT_EQ(from_fp8(DType::F152, 0x40), 1);
  EXPECT_EQ(from_fp8(DType::F152, 0x7f), 57344);
  EXPECT_EQ(from_fp8(DType::F152, 0x01), 0x1p-17f);
  EXPECT_EQ(from_fp8(DType::F152, 0xc2), -1.5);
}

// The largest product has 8 bits, and so has the least: exact in f32, with every scale.
TEST(Fp8Formats, every_product_of_two_is_exact_in_f32) {
  for (const DType a : {DType::F143, DType::F152})
    for (const DType b : {DType::F143, DType::F152})
      for (int i = 0; i < 128; ++i)
        for (int j = 0; j < 128; ++j) {
          const float x = from_fp8(a, static_cast<uint8_t>(i));
          const float y = from_fp8(b, static_cast<uint8_t>(j));
          EXPECT_EQ(static_cast<double>(x * y), static_cast<double>(x) * static_cast<double>(y));
          const float least = std::ldexp(x, 2 * kLeastFp8Scale);
          EXPECT_EQ(
              static_cast<double>(least * y),
              std::ldexp(static_cast<double>(x) * static_cast<double>(y), 2 * kLeastFp8Scale));
        }
}

}  // namespace
}  // namespace tessera
