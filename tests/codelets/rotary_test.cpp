// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/codelets/dtypes.h"
#include "tests/codelets/vertex_runner.h"

namespace tessera {
namespace {

std::vector<Param> rotary_params(double halves) {
  return {
      {"halves", {halves}}
  };
}

std::vector<double> rotated(const VertexArray& x, const VertexArray& cos, const VertexArray& sin,
                            bool halves) {
  std::vector<double> out;
  const Shape& s = x.size;
  const int64_t depth = s[3];
  for (int64_t i = 0; i < elements(s); ++i) {
    const int64_t d = i % depth, token = i / depth / s[2];
    const int64_t partner = halves ? (d + depth / 2) % depth : d % 2 == 0 ? d + 1 : d - 1;
    const int64_t angle = (cos.size[0] == 1 ? token % s[1] : token) * depth + d;
    out.push_back(x.values[size_t(i)] * cos.values[size_t(angle)] +
                  x.values[size_t(i - d + partner)] * sin.values[size_t(angle)]);
  }
  return out;
}

TEST(Rotary, agrees_with_doubles_at_odd_sizes_and_strides) {
  std::mt19937 random(1);
  for (const bool halves : {false, true})
    for (const int64_t depth : {2, 6, 16, 30, 32, 34, 64})
      for (const int64_t angles : {1, 2}) {
        const VertexArray x = with_gaps(random_array(F32, {2, 3, 2, depth}, random, 4), 3, 1);
        const VertexArray cos = with_gaps(random_array(F32, {angles, 3, depth}, random), 2, 1);
        const VertexArray sin = random_array(F32, {angles, 3, depth}, random);
        const VertexArray out = with_gaps(output(F32, {2, 3, 2, depth}), 1, 1);
        expect_close(run_vertex("rotary", rotary_params(halves), {x, cos, sin, out})[0],
                     rotated(x, cos, sin, halves), 1e-6);
      }
}

TEST(Rotary, takes_every_type) {
  std::mt19937 random(2);
  const VertexArray x = random_array(F16, {1, 2, 3, 8}, random);
  const VertexArray cos = random_array(F32, {1, 2, 8}, random);
  const VertexArray sin = random_array(F16, {1, 2, 8}, random);
  expect_close(run_vertex("rotary", rotary_params(0), {x, cos, sin, output(F32, {1, 2, 3, 8})})[0],
               rotated(x, cos, sin, false), 1e-6);
}

TEST(Rotary, refuses_shapes_that_do_not_fit) {
  const auto says = [](const Shape& x, const Shape& cos, double halves) {
    const auto zeros = [](const Shape& size) {
      return array(F32, size, std::vector<double>(static_cast<size_t>(elements(size))));
    };
    return refusal("rotary", rotary_params(halves),
                   {zeros(x), zeros(cos), zeros(cos), output(F32, x)});
  };
  EXPECT_EQ(says({1, 2, 3, 5}, {1, 2, 5}, 0), "rotary: depth is 5, must be even");
  EXPECT_EQ(says({2, 2, 3, 4}, {3, 2, 4}, 0),
            "rotary: operand 1 is f32[3,2,4], must be float[2,2,4]");
  EXPECT_EQ(says({1, 2, 3, 4}, {1, 2, 4}, 2), "rotary: halves is 2, must be an integer in 0..1");
}

// Worked by hand: 96 halves are 16 a worker and 4 vectors of 11 issues; 8 of floats. Four compute
// sets, of which three cost a launch.
TEST(Rotary, cycles_are_two_products_a_sum_and_a_swap) {
  const auto cycles = [](DType dtype) {
    const std::vector<Param> is = rotary_params(0);
    const std::vector<VertexArray> operands(4, output(dtype, {1, 3, 4, 8}));
    return find_codelet("rotary")->cycles(shape_of(is, operands), Target{}).value;
  };
  EXPECT_EQ(cycles(F16), 44U + 6 * (4 * 26 + 4 * 11) + 3 * 250);
  EXPECT_EQ(cycles(F32), 44U + 6 * (4 * 29 + 8 * 11) + 3 * 250);
}

}  // namespace
}  // namespace tessera
