// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/codelets/dtypes.h"
#include "tests/codelets/vertex_runner.h"

namespace tessera {
namespace {

std::vector<Param> rms_norm_params(double residual, double eps) {
  return {
      {"residual", {residual}},
      {"eps",      {eps}     }
  };
}

std::vector<double> norm_of(const VertexArray& x, const VertexArray* residual,
                            const VertexArray& gamma, double eps) {
  std::vector<double> out(x.values.size());
  const auto n = static_cast<size_t>(x.size[1]);
  for (size_t row = 0; row < out.size(); row += n) {
    const auto v = [&](size_t i) {
      return x.values[row + i] + (residual == nullptr ? 0 : residual->values[row + i]);
    };
    double squares = 0;
    for (size_t i = 0; i < n; ++i) squares += v(i) * v(i) / double(n);
    for (size_t i = 0; i < n; ++i) out[row + i] = v(i) / std::sqrt(squares + eps) * gamma.values[i];
  }
  return out;
}

TEST(RmsNorm, agrees_with_doubles_at_odd_sizes_and_strides) {
  std::mt19937 random(1);
  for (const int64_t n : {1, 2, 8, 15, 16, 17, 32, 100, 768}) {
    const VertexArray x = with_gaps(random_array(F32, {3, n}, random, 4), 3, 1);
    const VertexArray gamma = random_array(F32, {n}, random);
    const VertexArray out = with_gaps(output(F32, {3, n}), 1, 1);
    expect_close(run_vertex("rms_norm", rms_norm_params(0, 0.25), {x, gamma, out})[0],
                 norm_of(x, nullptr, gamma, 0.25), 3e-6);
  }
}

TEST(RmsNorm, adds_the_residual_first_in_every_type) {
  std::mt19937 random(2);
  const VertexArray x = with_gaps(random_array(F16, {4, 45}, random, 2), 5, 1);
  const VertexArray residual = with_gaps(random_array(F32, {4, 45}, random, 2), 2, 3);
  const VertexArray gamma = random_array(F16, {45}, random);
  expect_close(run_vertex("rms_norm", rms_norm_params(1, 1e-12),
                          {x, residual, gamma, output(F32, {4, 45})})[0],
               norm_of(x, &residual, gamma, 1e-12), 3e-6);
}

// Squares of 1000 are past the end of f16.
TEST(RmsNorm, of_large_halves_is_finite) {
  const VertexArray x = array(F16, {1, 2}, {1000, -1000});
  const VertexArray ones = array(F16, {2}, {1, 1});
  EXPECT_THAT(
      run_vertex("rms_norm", rms_norm_params(0, 0), {x, ones, output(F16, {1, 2})})[0].values,
      testing::ElementsAre(1, -1));
}

TEST(RmsNorm, refuses_shapes_that_do_not_fit) {
  const VertexArray x = array(F32, {1, 2}, {1, 2});
  const VertexArray two = array(F32, {2}, {1, 2});
  const VertexArray three = array(F32, {3}, {1, 2, 3});
  const VertexArray out = output(F32, {1, 2});
  EXPECT_EQ(refusal("rms_norm", rms_norm_params(0, 0), {x, three, out}),
            "rms_norm: operand 1 is f32[3], must be float[2]");
  EXPECT_EQ(refusal("rms_norm", rms_norm_params(1, 0), {x, two, out}),
            "rms_norm: there are 3 operands, must be 4");
}

// In five compute sets, and one more for the residual; 2.75 cycles a half.
TEST(RmsNorm, cycles_are_a_layer_norms_without_mean_and_beta) {
  const auto cycles = [](DType dtype, double residual) {
    const std::vector<Param> is = rms_norm_params(residual, 0);
    const std::vector<VertexArray> operands(size_t(3 + residual), output(dtype, {2, 50}));
    return find_codelet("rms_norm")->cycles(shape_of(is, operands), Target{}).value;
  };
  EXPECT_EQ(cycles(F16, 0), 275U + 4 * 250);
  EXPECT_EQ(cycles(F16, 1), 350U + 5 * 250);
  EXPECT_EQ(cycles(F32, 0), 550U + 4 * 250);
}

}  // namespace
}  // namespace tessera
