// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/codelets/vertex_runner.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

TEST(Cumsum, runs_along_the_middle_dimension) {
  const VertexArray x = ints({1, 3, 2}, {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(run_vertex("cumsum", {}, {x, output(DType::I32, {1, 3, 2})})[0].values,
              ElementsAre(1, 2, 4, 6, 9, 12));
}

TEST(Cumsum, agrees_with_plain_loops_at_odd_sizes_and_strides) {
  std::mt19937 random(1);
  for (const DType dtype : {DType::F32, DType::F16, DType::I32}) {
    for (const int64_t n : {1, 3, 37}) {
      for (const int64_t rows : {1, 18}) {
        const VertexArray x = with_gaps(random_array(dtype, {rows, 7, n}, random, 50), 3, 1);
        const VertexArray out = with_gaps(output(dtype, {rows, 7, n}), 1, 1);
        const VertexArray is = run_vertex("cumsum", {}, {x, out})[0];
        for (int64_t o = 0; o < rows; ++o) {
          for (int64_t c = 0; c < n; ++c) {
            float sum = 0;
            for (int64_t k = 0; k < 7; ++k) {
              sum += static_cast<float>(x.at({o, k, c}));
              ASSERT_EQ(is.at({o, k, c}), rounded(dtype, sum));
            }
          }
        }
      }
    }
  }
}

// 2048 + 1 is not a half, but 2048 + 1 + 1 is.
TEST(Cumsum, the_running_sum_is_not_rounded_to_halves) {
  const VertexArray x = array(DType::F16, {1, 3, 1}, {2048, 1, 1});
  EXPECT_THAT(run_vertex("cumsum", {}, {x, output(DType::F16, {1, 3, 1})})[0].values,
              ElementsAre(2048, 2048, 2050));
}

TEST(Cumsum, refuses_what_it_cannot_run) {
  const VertexArray x = array(DType::F32, {1, 2, 3}, std::vector<double>(6));
  EXPECT_EQ(refusal("cumsum", {}, {x, output(DType::F32, {1, 3, 2})}),
            "cumsum: operand 1 is f32[1,3,2], must be float[1,2,3]");
  EXPECT_EQ(refusal("cumsum", {}, {x, output(DType::I32, {1, 2, 3})}),
            "cumsum: operand 1 is i32[1,2,3], must be float[1,2,3]");
}

TEST(Cumsum, cycles_are_three_a_vector) {
  const auto cycles = [](DType dtype, const Shape& x) {
    const std::vector<Param> params;
    const std::vector<VertexArray> operands = {output(dtype, x), output(dtype, x)};
    return find_codelet("cumsum")->cycles(shape_of(params, operands), Target{}).value;
  };
  EXPECT_EQ(cycles(DType::F16, {1, 10, 96}), 6u * (29 + 4 * 10 * 3));
  EXPECT_EQ(cycles(DType::I32, {6, 10, 1}), 6u * (29 + 1 * 10 * 3));
}

}  // namespace
}  // namespace tessera
