// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/codelets/vertex_runner.h"

namespace tessera {
namespace {

using ::testing::Each;

std::vector<double> softmax_of(const VertexArray& x) {
  std::vector<double> want(x.values.size());
  const auto n = static_cast<size_t>(x.size[1]);
  for (size_t row = 0; row < x.values.size(); row += n) {
    double sum = 0;
    for (size_t i = 0; i < n; ++i) sum += std::exp(x.values[row + i]);
    for (size_t i = 0; i < n; ++i) want[row + i] = std::exp(x.values[row + i]) / sum;
  }
  return want;
}

TEST(Softmax, of_equal_values_is_uniform) {
  const VertexArray x = array(DType::F32, {1, 4}, {7, 7, 7, 7});
  EXPECT_THAT(run_vertex("softmax", {}, {x, output(DType::F32, {1, 4})})[0].values, Each(0.25));
}

TEST(Softmax, agrees_with_doubles_at_odd_sizes_and_strides) {
  std::mt19937 random(1);
  for (const int64_t n : {1, 3, 15, 16, 17, 33, 100}) {
    const VertexArray x = with_gaps(random_array(DType::F32, {3, n}, random, 9), 5, 1);
    const VertexArray out = with_gaps(output(DType::F32, {3, n}), 3, 1);
    expect_close(run_vertex("softmax", {}, {x, out})[0], softmax_of(x), 3e-7);
  }
}

TEST(Softmax, of_halves_rounds_once_at_the_store) {
  std::mt19937 random(2);
  const VertexArray x = random_array(DType::F16, {5, 37}, random, 6);
  expect_close(run_vertex("softmax", {}, {x, output(DType::F16, {5, 37})})[0], softmax_of(x),
               2.5e-4);
}

TEST(Softmax, of_minus_infinity_is_zero) {
  const VertexArray x = array(DType::F32, {1, 3}, {-INFINITY, 0, -INFINITY});
  EXPECT_THAT(run_vertex("softmax", {}, {x, output(DType::F32, {1, 3})})[0].values,
              ::testing::ElementsAre(0, 1, 0));
}

TEST(Softmax, has_the_same_bits_on_every_cpu) {
  std::mt19937 random(3);
  const std::vector<VertexArray> operands = {random_array(DType::F16, {4, 45}, random, 20),
                                             output(DType::F32, {4, 45})};
  const std::vector<double> here = run_vertex("softmax", {}, operands)[0].values;
  for (const char* cpu : {"x86-64", "x86-64-v3"}) {
    EXPECT_EQ(run_vertex("softmax", {}, operands, cpu)[0].values, here) << cpu;
  }
}

TEST(Softmax, refuses_what_it_cannot_run) {
  const VertexArray x = array(DType::F32, {1, 2}, {0, 0});
  EXPECT_EQ(refusal("softmax", {}, {x}), "softmax: there are 1 operands, must be 2");
  EXPECT_EQ(refusal("softmax", {}, {x, output(DType::F32, {2, 2})}),
            "softmax: operand 1 is f32[2,2], must be float[1,2]");
  EXPECT_EQ(refusal("softmax", {}, {x, x}), "softmax: operand 1 is read, must be written");
  EXPECT_EQ(refusal("softmax",
                    {
                        {"axis", {1}}
  },
                    {x, output(DType::F32, {1, 2})}),
            "softmax: params are (axis), must be ()");
}

// In seven compute sets.
TEST(Softmax, cycles_are_three_per_half_and_six_per_float) {
  const auto cycles = [](DType dtype) {
    const std::vector<VertexArray> operands = {output(dtype, {4, 100}), output(dtype, {4, 100})};
    const std::vector<Param> params;
    return find_codelet("softmax")->cycles(shape_of(params, operands), Target{}).value;
  };
  EXPECT_EQ(cycles(DType::F16), 1200U + 6 * 250);
  EXPECT_EQ(cycles(DType::F32), 2400U + 6 * 250);
}

}  // namespace
}  // namespace tessera
