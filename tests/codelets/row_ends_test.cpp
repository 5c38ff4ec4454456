// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/codelets/dtypes.h"
#include "tests/codelets/vertex_runner.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

TEST(RowEnds, reach_from_0_to_both_sides) {
  const double nan = std::nan("");
  const VertexArray x = array(F32, {4, 3}, {1, -2, 3, 5, 6, 7, -1, -1, -4, nan, 2, -1});
  EXPECT_THAT(run_vertex("row_ends", {}, {x, output(F32, {4, 2})})[0].values,
              ElementsAre(2, 3, 0, 7, 4, 0, testing::IsNan(), testing::IsNan()));
}

TEST(RowEnds, are_found_at_odd_sizes_in_every_type) {
  std::mt19937 random(1);
  for (const DType dtype : {F32, F16})
    for (const int64_t n : {1, 15, 16, 17, 100}) {
      const VertexArray x = with_gaps(random_array(dtype, {3, n}, random, 4), 3, 1);
      std::vector<double> want(6);
      for (size_t i = 0; i < x.values.size(); ++i) {
        double* const ends = &want[i / static_cast<size_t>(n) * 2];
        ends[0] = std::max(ends[0], -x.values[i]);
        ends[1] = std::max(ends[1], x.values[i]);
      }
      EXPECT_EQ(run_vertex("row_ends", {}, {x, output(F32, {3, 2})})[0].values, want);
    }
}

TEST(RowEnds, refuses_shapes_that_do_not_fit) {
  const VertexArray x = array(F32, {1, 2}, {1, 2});
  EXPECT_EQ(refusal("row_ends", {}, {x, output(F32, {1, 3})}),
            "row_ends: operand 1 is f32[1,3], must be float[1,2]");
  EXPECT_EQ(refusal("row_ends", {}, {x, output(F16, {1, 2})}),
            "row_ends: operand 1 is f16, must be f32");
}

TEST(SegmentMax, is_over_equal_numbers_of_one_row) {
  const VertexArray x = array(F32, {2, 5, 1}, {1, 5, 2, 9, 4, 1, 2, 3, 4, 5});
  const VertexArray ids = ints({2, 5}, {1, 2, 1, 0, 2, 3, 3, 0, 0, 3});
  EXPECT_THAT(run_vertex("segment_max", {}, {x, ids, output(F32, {2, 5, 1})})[0].values,
              ElementsAre(2, 5, 2, 9, 5, 5, 5, 3, 4, 5));
}

TEST(SegmentMax, is_of_each_number_of_a_token) {
  const VertexArray x = array(F32, {1, 3, 2}, {1, 8, 5, 2, 3, 9});
  const VertexArray ids = ints({1, 3}, {1, 1, 2});
  EXPECT_THAT(run_vertex("segment_max", {}, {x, ids, output(F32, {1, 3, 2})})[0].values,
              ElementsAre(5, 8, 5, 8, 3, 9));
}

TEST(SegmentMax, of_nan_is_nan_for_the_whole_segment) {
  const VertexArray x = array(F32, {1, 4, 1}, {1, std::nan(""), 2, 3});
  const VertexArray ids = ints({1, 4}, {1, 1, 1, 2});
  EXPECT_THAT(run_vertex("segment_max", {}, {x, ids, output(F32, {1, 4, 1})})[0].values,
              ElementsAre(testing::IsNan(), testing::IsNan(), testing::IsNan(), 3));
}

TEST(SegmentMax, refuses_shapes_that_do_not_fit) {
  const VertexArray x = array(F32, {1, 2, 1}, {1, 2});
  EXPECT_EQ(refusal("segment_max", {}, {x, ints({1, 3}, {1, 2, 3}), output(F32, {1, 2, 1})}),
            "segment_max: operand 1 is i32[1,3], must be i32[1,2]");
  EXPECT_EQ(refusal("segment_max", {},
                    {array(F16, {1, 2, 1}, {1, 2}), ints({1, 2}, {1, 2}), output(F32, {1, 2, 1})}),
            "segment_max: an operand is f16, must be f32");
}

}  // namespace
}  // namespace tessera
