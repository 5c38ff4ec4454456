// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/codelets/dtypes.h"
#include "tests/codelets/vertex_runner.h"

namespace tessera {
namespace {

std::vector<Param> partials_params(double bias, double residual, double activation) {
  return {
      {"bias",       {bias}      },
      {"residual",   {residual}  },
      {"activation", {activation}}
  };
}

std::vector<double> sums_of(const VertexArray& partials) {
  std::vector<double> sums(static_cast<size_t>(partials.size[1] * partials.size[2]));
  for (size_t i = 0; i < partials.values.size(); ++i) sums[i % sums.size()] += partials.values[i];
  return sums;
}

TEST(ReducePartials, adds_them_up_at_odd_sizes_and_strides) {
  std::mt19937 random(1);
  for (const DType dtype : {F32, F16}) {
    for (const int64_t n : {1, 16, 31, 256, 300}) {
      const VertexArray partials = with_gaps(random_array(dtype, {5, 3, n}, random), 3, 1);
      const VertexArray out = with_gaps(output(F32, {1, 3, n}), 1, 1);
      expect_close(run_vertex("reduce_partials", partials_params(0, 0, 0), {partials, out})[0],
                   sums_of(partials), 1e-6);
    }
  }
}

TEST(ReducePartials, of_one_partial_is_that_partial) {
  std::mt19937 random(2);
  const VertexArray partials = random_array(F16, {1, 2, 20}, random);
  EXPECT_EQ(run_vertex("reduce_partials", partials_params(0, 0, 0),
                       {partials, output(F16, {1, 2, 20})})[0]
                .values,
            partials.values);
}

TEST(ReducePartials, adds_in_the_order_of_the_partials) {
  // 1e8 + 1 is 1e8 in f32: only the order from the first to the last gives 1.
  const VertexArray partials = array(F32, {4, 1, 1}, {1e8, 1, -1e8, 1});
  EXPECT_THAT(
      run_vertex("reduce_partials", partials_params(0, 0, 0), {partials, output(F32, {1, 1, 1})})[0]
          .values,
      ::testing::ElementsAre(1));
}

TEST(ReducePartials, ends_as_matmul_does) {
  std::mt19937 random(3);
  const VertexArray partials = random_array(F32, {3, 4, 21}, random);
  const VertexArray bias = random_array(F16, {21}, random);
  const VertexArray residual = with_gaps(random_array(F16, {1, 4, 21}, random), 2, 1);
  std::vector<double> want = sums_of(partials);
  for (size_t i = 0; i < want.size(); ++i) {
    want[i] = std::max(want[i] + bias.values[i % 21], 0.0) + residual.values[i];
  }
  expect_close(run_vertex("reduce_partials", partials_params(1, 1, 1),
                          {partials, bias, residual, output(F32, {1, 4, 21})})[0],
               want, 1e-6);
}

TEST(ReducePartials, refuses_shapes_that_do_not_fit) {
  const VertexArray partials = array(F32, {2, 1, 2}, {1, 2, 3, 4});
  EXPECT_EQ(
      refusal("reduce_partials", partials_params(0, 0, 0), {partials, output(F32, {1, 2, 1})}),
      "reduce_partials: operand 1 is f32[1,2,1], must be float[1,1,2]");
  EXPECT_EQ(
      refusal("reduce_partials", partials_params(2, 0, 0), {partials, output(F32, {1, 1, 2})}),
      "reduce_partials: bias is 2, must be an integer in 0..1");
}

uint64_t cycles(DType partials, Shape size, DType out) {
  const std::vector<Param> is = partials_params(0, 0, 0);
  const std::vector<VertexArray> operands = {output(partials, size),
                                             output(out, {1, size[1], size[2]})};
  return find_codelet("reduce_partials")->cycles(shape_of(is, operands), Target{}).value;
}

// 96 outputs are 12 vectors of 8, two for each worker.
TEST(ReducePartials, cycles_are_as_worked_by_hand) {
  EXPECT_EQ(cycles(F16, {4, 6, 16}, F16), 33U + 6 * (20 + 2 * (2 * 3 + 9)));
  EXPECT_EQ(cycles(F32, {4, 6, 16}, F32), 33U + 6 * (20 + 4 * (2 * 3 + 8)));
  EXPECT_EQ(cycles(F16, {4, 1, 95}, F16), 6U * (32 + 2 * (3 * 4 + 8)));
}

}  // namespace
}  // namespace tessera
