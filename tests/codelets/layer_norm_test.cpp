// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/codelets/dtypes.h"
#include "tests/codelets/vertex_runner.h"

namespace tessera {
namespace {

std::vector<Param> layer_norm_params(double residual, double eps) {
  return {
      {"residual", {residual}},
      {"eps",      {eps}     }
  };
}

std::vector<double> norm_of(const VertexArray& x, const VertexArray* residual,
                            const VertexArray& gamma, const VertexArray& beta, double eps) {
  std::vector<double> out(x.values.size());
  const auto n = static_cast<size_t>(x.size[1]);
  for (size_t row = 0; row < out.size(); row += n) {
    const auto v = [&](size_t i) {
      return x.values[row + i] + (residual == nullptr ? 0 : residual->values[row + i]);
    };
    double mean = 0, variance = 0;
    for (size_t i = 0; i < n; ++i) mean += v(i) / double(n);
    for (size_t i = 0; i < n; ++i) variance += (v(i) - mean) * (v(i) - mean) / double(n);
    for (size_t i = 0; i < n; ++i) {
      out[row + i] = (v(i) - mean) / std::sqrt(variance + eps) * gamma.values[i] + beta.values[i];
    }
  }
  return out;
}

TEST(LayerNorm, agrees_with_doubles_at_odd_sizes_and_strides) {
  std::mt19937 random(1);
  for (const int64_t n : {1, 2, 8, 15, 16, 17, 32, 100, 768}) {
    const VertexArray x = with_gaps(random_array(F32, {3, n}, random, 4), 3, 1);
    const VertexArray gamma = random_array(F32, {n}, random);
    const VertexArray beta = random_array(F32, {n}, random);
    const VertexArray out = with_gaps(output(F32, {3, n}), 1, 1);
    expect_close(run_vertex("layer_norm", layer_norm_params(0, 1e-5), {x, gamma, beta, out})[0],
                 norm_of(x, nullptr, gamma, beta, 1e-5), 3e-6);
  }
}

TEST(LayerNorm, adds_the_residual_first_in_every_type) {
  std::mt19937 random(2);
  const VertexArray x = with_gaps(random_array(F16, {4, 45}, random, 2), 5, 1);
  const VertexArray residual = with_gaps(random_array(F32, {4, 45}, random, 2), 2, 3);
  const VertexArray gamma = random_array(F16, {45}, random);
  const VertexArray beta = random_array(F32, {45}, random);
  const std::vector<double> want = norm_of(x, &residual, gamma, beta, 1e-12);
  expect_close(run_vertex("layer_norm", layer_norm_params(1, 1e-12),
                          {x, residual, gamma, beta, output(F32, {4, 45})})[0],
               want, 3e-6);
  expect_close(run_vertex("layer_norm", layer_norm_params(1, 1e-12),
                          {x, residual, gamma, beta, output(F16, {4, 45})})[0],
               want, 6e-4);
}

TEST(LayerNorm, of_a_large_mean_keeps_its_digits) {
  const VertexArray x = array(F32, {1, 4}, {10000, 10001, 10002, 10003});
  const VertexArray ones = array(F32, {4}, {1, 1, 1, 1});
  const VertexArray zeros = array(F32, {4}, {0, 0, 0, 0});
  expect_close(
      run_vertex("layer_norm", layer_norm_params(0, 0), {x, ones, zeros, output(F32, {1, 4})})[0],
      norm_of(x, nullptr, ones, zeros, 0), 1e-6);
}

TEST(LayerNorm, of_equal_values_is_beta) {
  const VertexArray x = array(F16, {1, 3}, {5, 5, 5});
  const VertexArray gamma = array(F32, {3}, {2, 2, 2});
  const VertexArray beta = array(F32, {3}, {1, 2, 3});
  EXPECT_THAT(
      run_vertex("layer_norm", layer_norm_params(0, 1e-5), {x, gamma, beta, output(F32, {1, 3})})[0]
          .values,
      ::testing::ElementsAre(1, 2, 3));
}

TEST(LayerNorm, has_the_same_bits_on_every_cpu) {
  std::mt19937 random(3);
  const std::vector<VertexArray> operands = {random_array(F16, {3, 77}, random),
                                             random_array(F16, {77}, random),
                                             random_array(F16, {77}, random), output(F32, {3, 77})};
  const std::vector<double> here =
      run_vertex("layer_norm", layer_norm_params(0, 1e-5), operands)[0].values;
  for (const char* cpu : {"x86-64", "x86-64-v3"}) {
    EXPECT_EQ(run_vertex("layer_norm", layer_norm_params(0, 1e-5), operands, cpu)[0].values, here)
        << cpu;
  }
}

TEST(LayerNorm, refuses_shapes_that_do_not_fit) {
  const VertexArray x = array(F32, {1, 2}, {1, 2});
  const VertexArray two = array(F32, {2}, {1, 2});
  const VertexArray three = array(F32, {3}, {1, 2, 3});
  const VertexArray out = output(F32, {1, 2});
  EXPECT_EQ(refusal("layer_norm", layer_norm_params(0, 0), {x, three, two, out}),
            "layer_norm: operand 1 is f32[3], must be float[2]");
  EXPECT_EQ(refusal("layer_norm", layer_norm_params(1, 0), {x, two, two, out}),
            "layer_norm: there are 4 operands, must be 5");
  EXPECT_EQ(refusal("layer_norm",
                    {
                        {"residual", {0}}
  },
                    {x, two, two, out}),
            "layer_norm: params are (residual), must be (residual, eps)");
  EXPECT_EQ(refusal("layer_norm", layer_norm_params(0, NAN), {x, two, two, out}),
            "layer_norm: eps is nan, must be finite");
}

// In seven compute sets, and one more for the residual.
TEST(LayerNorm, cycles_are_four_per_half_and_eight_per_float) {
  const auto cycles = [](DType dtype, double residual) {
    const std::vector<Param> is = layer_norm_params(residual, 0);
    const std::vector<VertexArray> operands(size_t(4 + residual), output(dtype, {2, 50}));
    return find_codelet("layer_norm")->cycles(shape_of(is, operands), Target{}).value;
  };
  EXPECT_EQ(cycles(F16, 0), 400U + 6 * 250);
  EXPECT_EQ(cycles(F16, 1), 475U + 7 * 250);
  EXPECT_EQ(cycles(F32, 0), 800U + 6 * 250);
}

}  // namespace
}  // namespace tessera
