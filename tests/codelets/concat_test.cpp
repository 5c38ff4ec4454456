// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/codelets/vertex_runner.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

TEST(Concat, puts_rows_after_each_other) {
  const VertexArray a = ints({2, 1, 2}, {1, 2, 3, 4});
  const VertexArray b = ints({2, 2, 2}, {5, 6, 7, 8, 9, 10, 11, 12});
  EXPECT_THAT(run_vertex("concat", {}, {a, b, output(DType::I32, {2, 3, 2})})[0].values,
              ElementsAre(1, 2, 5, 6, 7, 8, 3, 4, 9, 10, 11, 12));
}

TEST(Concat, every_type_at_odd_sizes_and_strides) {
  std::mt19937 random(1);
  for (const DType dtype : {DType::F32, DType::F16, DType::I32, DType::Bool}) {
    for (const int64_t n : {1, 5}) {
      for (const int64_t gap : {0, 3}) {
        std::vector<VertexArray> operands;
        for (const int64_t rows : {1, 4, 2}) {
          operands.push_back(with_gaps(random_array(dtype, {3, rows, n}, random, 9), gap, 1));
        }
        operands.push_back(with_gaps(output(dtype, {3, 7, n}), gap, 1));
        const VertexArray is = run_vertex("concat", {}, operands)[0];
        for (int64_t o = 0; o < 3; ++o) {
          int64_t first = 0;
          for (size_t i = 0; i < 3; first += operands[i++].size[1])
            for (int64_t k = 0; k < operands[i].size[1]; ++k)
              for (int64_t c = 0; c < n; ++c)
                ASSERT_EQ(is.at({o, first + k, c}), operands[i].at({o, k, c}));
        }
      }
    }
  }
}

TEST(Concat, refuses_what_it_cannot_run) {
  const VertexArray a = ints({2, 1, 2}, {1, 2, 3, 4});
  EXPECT_EQ(refusal("concat", {}, {output(DType::I32, {2, 1, 2})}),
            "concat: there are 1 operands, must be at least 2");
  EXPECT_EQ(refusal("concat", {}, {a, a, output(DType::I32, {2, 3, 2})}),
            "concat: operand 2 is i32[2,3,2], must be any[2,2,2]");
  EXPECT_EQ(refusal("concat", {}, {a, a, output(DType::I32, {2, 2, 3})}),
            "concat: operand 0 is i32[2,1,2], must be any[2,*,3]");
  EXPECT_EQ(refusal("concat", {}, {a, output(DType::F32, {2, 1, 2})}),
            "concat: operand 0 is i32, must be f32 as operand 1 is");
}

TEST(Concat, cycles_follow_the_pieces_of_each_input) {
  const std::vector<Param> params;
  const std::vector<VertexArray> operands = {
      output(DType::F16, {3, 2, 4}), output(DType::F16, {3, 1, 3}), output(DType::F16, {3, 3, 4})};
  // 48 bytes in pieces of 16, 18 in pieces of 6.
  EXPECT_EQ(find_codelet("concat")->cycles(shape_of(params, operands), Target{}).value,
            587u + 114);  // 48 · 0.44 + 18 · 5.15 = 113.82
}

}  // namespace
}  // namespace tessera
