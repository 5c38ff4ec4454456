// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/codelets/vertex_runner.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

std::vector<Param> params_of(std::vector<double> perm, std::vector<double> step) {
  return {
      {"perm", std::move(perm)},
      {"step", std::move(step)}
  };
}

TEST(Copy, transposes) {
  const VertexArray x = array(DType::F32, {2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(
      run_vertex("copy", params_of({1, 0}, {1, 1}), {x, output(DType::F32, {3, 2})})[0].values,
      ElementsAre(1, 4, 2, 5, 3, 6));
}

TEST(Copy, takes_every_so_manieth) {
  const VertexArray x = ints({8}, {0, 1, 2, 3, 4, 5, 6, 7});
  EXPECT_THAT(run_vertex("copy", params_of({0}, {3}), {x, output(DType::I32, {3})})[0].values,
              ElementsAre(0, 3, 6));
}

TEST(Copy, a_negative_step_runs_from_the_end) {
  const VertexArray x = ints({5}, {0, 1, 2, 3, 4});
  EXPECT_THAT(run_vertex("copy", params_of({0}, {-2}), {x, output(DType::I32, {3})})[0].values,
              ElementsAre(4, 2, 0));
}

TEST(Copy, a_dimension_of_one_is_repeated) {
  const VertexArray x = array(DType::Bool, {2, 1}, {1, 0});
  EXPECT_THAT(
      run_vertex("copy", params_of({0, 1}, {1, 1}), {x, output(DType::Bool, {2, 3})})[0].values,
      ElementsAre(1, 1, 1, 0, 0, 0));
}

TEST(Copy, a_scalar_is_one_element) {
  EXPECT_THAT(
      run_vertex("copy", params_of({}, {}), {ints({}, {7}), output(DType::I32, {})})[0].values,
      ElementsAre(7));
}

// Every dimension order of a rank of 4, with steps forward and back, one dimension stretched.
TEST(Copy, every_order_type_and_step_agrees_with_plain_loops) {
  std::mt19937 random(1);
  std::vector<size_t> perm = {0, 1, 2, 3};
  int turn = 0;
  do {
    const DType dtype = static_cast<DType>(turn % 4);
    const Shape out_size = {3, 2, 17, 5};
    Shape in_size(4);
    std::vector<double> step = {1, 1, 1, 1};
    step[static_cast<size_t>(turn) % 4] = turn % 3 == 0 ? 2 : turn % 3 == 1 ? -1 : -3;
    for (size_t d = 0; d < 4; ++d)
      in_size[perm[d]] = (out_size[d] - 1) * static_cast<int64_t>(std::abs(step[d])) + 1;
    if (turn % 5 == 0) in_size[perm[1]] = 1;
    const VertexArray in = with_gaps(random_array(dtype, in_size, random, 100), turn % 2, 1);
    const VertexArray out = with_gaps(output(dtype, out_size), turn % 3, 1);
    const VertexArray is =
        run_vertex("copy", params_of({perm.begin(), perm.end()}, step), {in, out})[0];
    for (int64_t i = 0; i < elements(out_size); ++i) {
      int64_t rest = i, from = 0;
      const Shape in_stride = row_major_strides(in_size);
      for (size_t d = 4; d-- > 0; rest /= out_size[d]) {
        const int64_t extent = in_size[perm[d]];
        const auto moved = static_cast<int64_t>(step[d]) * (rest % out_size[d]);
        const int64_t at = extent == 1 ? 0 : step[d] < 0 ? extent - 1 + moved : moved;
        from += at * in_stride[perm[d]];
      }
      ASSERT_EQ(is.values[static_cast<size_t>(i)], in.values[static_cast<size_t>(from)])
          << "turn " << turn << " element " << i;
    }
    ++turn;
  } while (std::ranges::next_permutation(perm).found);
  EXPECT_EQ(turn, 24);
}

TEST(Copy, large_transposes_of_every_element_size_are_exact) {
  std::mt19937 random(2);
  for (const DType dtype : {DType::F32, DType::F16, DType::Bool}) {
    const VertexArray in = with_gaps(random_array(dtype, {2, 70, 133}, random, 100), 1, 1);
    const VertexArray is =
        run_vertex("copy", params_of({0, 2, 1}, {1, 1, 1}), {in, output(dtype, {2, 133, 70})})[0];
    for (int64_t b = 0; b < 2; ++b)
      for (int64_t r = 0; r < 133; ++r)
        for (int64_t c = 0; c < 70; ++c) ASSERT_EQ(is.at({b, r, c}), in.at({b, c, r}));
  }
}

TEST(Copy, refuses_what_it_cannot_run) {
  const VertexArray x = array(DType::F32, {2, 3}, std::vector<double>(6));
  const VertexArray out = output(DType::F32, {3, 2});
  EXPECT_EQ(refusal("copy", params_of({0, 1}, {1, 1}), {x, out}),
            "copy: dimension 0 has 3 elements, must have the 2 that operand 0 has in steps of 1");
  EXPECT_EQ(refusal("copy", params_of({1, 0}, {2, 1}), {x, out}),
            "copy: dimension 0 has 3 elements, must have the 2 that operand 0 has in steps of 2");
  EXPECT_EQ(refusal("copy", params_of({1, 1}, {1, 1}), {x, out}),
            "copy: perm is [1,1], must be a permutation of the 2 dimensions");
  EXPECT_EQ(refusal("copy", params_of({1, 0.5}, {1, 1}), {x, out}),
            "copy: perm is [1,0.5], must be a permutation of the 2 dimensions");
  EXPECT_EQ(refusal("copy", params_of({1}, {1, 1}), {x, out}),
            "copy: perm is [1], must be a permutation of the 2 dimensions");
  EXPECT_EQ(refusal("copy", params_of({1, 0}, {1, 0}), {x, out}),
            "copy: step is [1,0], must be 2 integers, none 0");
  EXPECT_EQ(refusal("copy", params_of({1, 0}, {1, 1e300}), {x, out}),
            "copy: step is [1,1e+300], must be 2 integers, none 0");
  EXPECT_EQ(
      refusal("copy", params_of({1, 0}, {std::numeric_limits<double>::quiet_NaN(), 1}), {x, out}),
      "copy: step is [nan,1], must be 2 integers, none 0");
  EXPECT_EQ(refusal("copy", params_of({1, 0}, {1, 1}), {x, output(DType::F16, {3, 2})}),
            "copy: operand 1 is f16, must be f32 as operand 0 is");
  EXPECT_EQ(refusal("copy", params_of({1, 0}, {1, 1}), {x, output(DType::F32, {6})}),
            "copy: operand 1 is f32[6], must be any[*,*]");
}

TEST(Copy, cycles_follow_the_pieces_that_stay_together) {
  const auto cycles = [](const std::vector<Param>& params, DType dtype, Shape in, Shape out) {
    const std::vector<VertexArray> operands = {output(dtype, std::move(in)),
                                               output(dtype, std::move(out))};
    return find_codelet("copy")->cycles(shape_of(params, operands), Target{}).value;
  };
  EXPECT_EQ(cycles(params_of({0, 1}, {1, 1}), DType::F32, {4, 8}, {4, 8}), 288u + 16);
  EXPECT_EQ(cycles(params_of({1, 0}, {1, 1}), DType::F16, {4, 8}, {8, 4}),
            587u + 330);  // 64 · 5.15
  EXPECT_EQ(cycles(params_of({1, 0}, {1, 1}), DType::F32, {4, 8}, {8, 4}),
            587u + 397);  // 128 · 3.1
  EXPECT_EQ(cycles(params_of({1, 0, 2}, {1, 1, 1}), DType::F16, {2, 3, 4}, {3, 2, 4}),
            587u + 22);  // 48 · 0.44
}

}  // namespace
}  // namespace tessera
