// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/codelets/vertex_runner.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

const std::vector<Param> kSum =
                             {
                                 {"kind", {0}}
},
                         kMax = {{"kind", {1}}};

TEST(Reduce, sums_and_maxima_of_the_middle_dimension) {
  const VertexArray x = array(DType::F32, {2, 2, 2}, {1, 2, 3, 4, -5, -6, -7, -8});
  EXPECT_THAT(run_vertex("reduce", kSum, {x, output(DType::F32, {2, 2})})[0].values,
              ElementsAre(4, 6, -12, -14));
  EXPECT_THAT(run_vertex("reduce", kMax, {x, output(DType::F32, {2, 2})})[0].values,
              ElementsAre(3, 4, -5, -6));
}

TEST(Reduce, agrees_with_plain_loops_at_odd_sizes_and_strides) {
  std::mt19937 random(1);
  for (const DType dtype : {DType::F32, DType::F16, DType::I32}) {
    for (const int64_t n : {1, 3, 16, 37}) {
      for (const int64_t rows : {1, 5, 33}) {
        const VertexArray x = with_gaps(random_array(dtype, {rows, 9, n}, random, 50), 3, 1);
        const VertexArray out = with_gaps(output(dtype, {rows, n}), 1, 1);
        std::vector<double> sums, maxima;
        for (int64_t o = 0; o < rows; ++o) {
          for (int64_t c = 0; c < n; ++c) {
            float sum = 0;
            double most = -1e9;
            for (int64_t k = 0; k < 9; ++k) {
              sum += static_cast<float>(x.at({o, k, c}));
              most = std::max(most, x.at({o, k, c}));
            }
            sums.push_back(rounded(dtype, sum));
            maxima.push_back(most);
          }
        }
        // To the bit: the additions are in the order of k.
        EXPECT_EQ(run_vertex("reduce", kSum, {x, out})[0].values, sums);
        EXPECT_EQ(run_vertex("reduce", kMax, {x, out})[0].values, maxima);
      }
    }
  }
}

TEST(Reduce, halves_are_summed_as_floats) {
  // In halves, 2048 + 1 is 2048 however often.
  std::vector<double> values(33, 1);
  values[0] = 2048;
  const VertexArray x = array(DType::F16, {1, 33, 1}, values);
  EXPECT_THAT(run_vertex("reduce", kSum, {x, output(DType::F16, {1, 1})})[0].values,
              ElementsAre(2080));
}

TEST(Reduce, integers_are_exact_and_wrap) {
  const VertexArray x = ints({1, 2, 3}, {16777217, INT32_MAX, -5, 2, 1, -6});
  EXPECT_THAT(run_vertex("reduce", kSum, {x, output(DType::I32, {1, 3})})[0].values,
              ElementsAre(16777219, INT32_MIN, -11));
  EXPECT_THAT(run_vertex("reduce", kMax, {x, output(DType::I32, {1, 3})})[0].values,
              ElementsAre(16777217, INT32_MAX, -5));
}

TEST(Reduce, the_maximum_with_nan_is_nan) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const VertexArray x = array(DType::F32, {1, 3, 2}, {1, nan, nan, 2, 3, 4});
  const std::vector<double> is =
      run_vertex("reduce", kMax, {x, output(DType::F32, {1, 2})})[0].values;
  EXPECT_TRUE(std::isnan(is[0]) && std::isnan(is[1]));
}

TEST(Reduce, refuses_what_it_cannot_run) {
  const VertexArray x = array(DType::F32, {1, 2, 3}, std::vector<double>(6));
  EXPECT_EQ(refusal("reduce",
                    {
                        {"kind", {2}}
  },
                    {x, output(DType::F32, {1, 3})}),
            "reduce: kind is 2, must be an integer in 0..1");
  EXPECT_EQ(refusal("reduce", kSum, {x, output(DType::F32, {1, 2})}),
            "reduce: operand 1 is f32[1,2], must be float[1,3]");
  EXPECT_EQ(refusal("reduce", kSum, {x, output(DType::I32, {1, 3})}),
            "reduce: operand 1 is i32[1,3], must be float[1,3]");
  EXPECT_EQ(refusal("reduce", kSum, {ints({1, 1, 1}, {0}), output(DType::F32, {1, 1})}),
            "reduce: operand 1 is f32[1,1], must be i32[1,1]");
  EXPECT_EQ(
      refusal("reduce", kSum, {array(DType::Bool, {1, 1, 1}, {0}), output(DType::Bool, {1, 1})}),
      "reduce: operand 0 is bool[1,1,1], must be float[*,*,*]");
}

TEST(Reduce, cycles_of_rows_and_of_columns) {
  const auto cycles = [](DType dtype, Shape x) {
    const std::vector<VertexArray> operands = {output(dtype, x), output(dtype, {x[0], x[2]})};
    return find_codelet("reduce")->cycles(shape_of(kSum, operands), Target{}).value;
  };
  EXPECT_EQ(cycles(DType::F16, {12, 100, 1}), 6u * (17 + 2 * (25 + 12)));
  EXPECT_EQ(cycles(DType::F32, {12, 100, 1}), 6u * (17 + 2 * (50 + 12)));
  EXPECT_EQ(cycles(DType::F16, {1, 10, 96}), 6u * (16 + 4 * (9 + 9)));  // 16 sums a worker
}

}  // namespace
}  // namespace tessera
