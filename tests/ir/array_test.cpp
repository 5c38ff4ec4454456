// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <limits>

#include "ir/tensor.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<double> rounded(DType dtype, std::vector<double> values) {
  Array array{
      {dtype, {static_cast<int64_t>(values.size())}},
      std::move(values)
  };
  round_to_dtype(array);
  return array.data;
}

TEST(Array, rounding_to_f16_is_to_nearest_even_and_overflows_to_infinity) {
  EXPECT_THAT(rounded(DType::F16, {2049, 2051, 65519, 65520, -1e9, 0.1}),
              ElementsAre(2048, 2052, 65504, kInfinity, -kInfinity, 0.0999755859375));
}

TEST(Array, rounding_to_f32_drops_what_a_float_cannot_hold) {
  EXPECT_THAT(rounded(DType::F32, {16777217, 1e300}), ElementsAre(16777216, kInfinity));
}

TEST(Array, rounding_to_i32_truncates_and_stays_in_range) {
  EXPECT_THAT(rounded(DType::I32, {2.9, -2.9, 1e12, -1e12}),
              ElementsAre(2, -2, 2147483647, -2147483648));
}

TEST(Array, rounding_to_bool_asks_whether_it_is_zero) {
  EXPECT_THAT(rounded(DType::Bool, {0, -0.0, 0.5, -3}), ElementsAre(0, 0, 1, 1));
}

TEST(Array, a_tensor_holds_what_rounding_gives) {
  for (DType dtype : {DType::F32, DType::F16, DType::I32, DType::Bool}) {
    Array array{
        {dtype, {2, 2}},
        {1.5, -0.25, 700000, 0}
    };
    const Tensor tensor = to_tensor(array);
    EXPECT_EQ(static_cast<int64_t>(tensor.bytes().size()), 4 * size_of(dtype));
    round_to_dtype(array);
    EXPECT_EQ(to_array(tensor).data, array.data) << to_string(dtype);
    EXPECT_EQ(to_array(tensor).type, array.type);
  }
}

TEST(Tensor, equality_is_of_type_and_bytes) {
  const Tensor one = to_tensor({
      {DType::F32, {2}},
      {1,          2  }
  });
  EXPECT_EQ(one, to_tensor({
                     {DType::F32, {2}},
                     {1,          2  }
  }));
  EXPECT_FALSE(one == to_tensor({
                          {DType::F32, {2}},
                          {1,          3  }
  }));
  EXPECT_FALSE(one == to_tensor({
                          {DType::F32, {1, 2}},
                          {1,          2     }
  }));
  EXPECT_FALSE(one == Tensor({DType::F32, {2}}, nullptr, {}));
}

TEST(Tensor, copies_share_their_bytes) {
  const Tensor one = to_tensor({
      {DType::F32, {2}},
      {1,          2  }
  });
  const std::vector<Tensor> copies(2, one);
  for (const Tensor& copy : copies) EXPECT_EQ(one.bytes().data(), copy.bytes().data());
}

}  // namespace
}  // namespace tessera
