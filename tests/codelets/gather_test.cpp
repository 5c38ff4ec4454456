// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/codelets/vertex_runner.h"

namespace tessera {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

TEST(Gather, takes_rows_by_number) {
  const VertexArray table = array(DType::F32, {1, 3, 2}, {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(run_vertex("gather", {},
                         {table, ints({4}, {2, 0, 0, 1}), output(DType::F32, {1, 1, 4, 2})})[0]
                  .values,
              ElementsAre(5, 6, 1, 2, 1, 2, 3, 4));
}

TEST(Gather, a_row_of_another_block_is_zero) {
  VertexArray table = array(DType::I32, {1, 2, 1}, {10, 11});
  table.begin = {0, 100, 0};
  EXPECT_THAT(
      run_vertex("gather", {},
                 {table, ints({5}, {99, 100, 101, 102, 0}), output(DType::I32, {1, 1, 5, 1})})[0]
          .values,
      ElementsAre(0, 10, 11, 0, 0));
}

// The first block of a table must not give its last rows for negative numbers.
TEST(Gather, hostile_numbers_read_nothing) {
  const VertexArray table = array(DType::F32, {1, 2, 3}, {1, 2, 3, 4, 5, 6});
  const VertexArray indices = ints({6}, {-1, -2, INT32_MIN, INT32_MAX, 2, 1 << 30});
  EXPECT_THAT(
      run_vertex("gather", {}, {table, indices, output(DType::F32, {1, 1, 6, 3})})[0].values,
      Each(0));
}

TEST(Gather, every_type_at_odd_sizes_and_strides) {
  std::mt19937 random(1);
  for (const DType dtype : {DType::F32, DType::F16, DType::I32, DType::Bool}) {
    for (const int64_t n : {1, 7, 33}) {
      const VertexArray table = with_gaps(random_array(dtype, {3, 5, n}, random, 100), 2, 1);
      VertexArray indices = ints({4}, {4, 0, 3, 3});
      indices.misalign = 1;
      const VertexArray out = with_gaps(output(dtype, {1, 3, 4, n}), 3, 1);
      const VertexArray is = run_vertex("gather", {}, {table, indices, out})[0];
      for (int64_t p = 0; p < 3; ++p)
        for (int64_t t = 0; t < 4; ++t)
          for (int64_t i = 0; i < n; ++i)
            ASSERT_EQ(is.at({0, p, t, i}), table.at({p, static_cast<int64_t>(indices.at({t})), i}));
    }
  }
}

TEST(Gather, refuses_what_it_cannot_run) {
  const VertexArray table = output(DType::F32, {2, 3, 4});
  const VertexArray read = array(DType::F32, {2, 3, 4}, std::vector<double>(24));
  const VertexArray indices = ints({5}, {0, 0, 0, 0, 0});
  EXPECT_EQ(refusal("gather", {}, {read, indices, output(DType::F32, {2, 1, 5, 4})}),
            "gather: operand 2 is f32[2,1,5,4], must be any[1,2,5,4]");
  EXPECT_EQ(refusal("gather", {}, {read, indices, output(DType::F16, {1, 2, 5, 4})}),
            "gather: operand 2 is f16, must be f32 as operand 0 is");
  EXPECT_EQ(refusal("gather", {}, {read, read, output(DType::F32, {1, 2, 5, 4})}),
            "gather: operand 1 is f32[2,3,4], must be i32[*]");
  EXPECT_EQ(refusal("gather", {}, {table, indices, output(DType::F32, {1, 2, 5, 4})}),
            "gather: operand 0 is written, must be read");
}

TEST(Gather, cycles_charge_every_number_as_a_hit) {
  const std::vector<Param> params;
  const std::vector<VertexArray> operands = {output(DType::F16, {1, 50, 768}),
                                             output(DType::I32, {13}),
                                             output(DType::F16, {1, 1, 13, 768})};
  // 3 rows a worker of 384 words each.
  EXPECT_EQ(find_codelet("gather")->cycles(shape_of(params, operands), Target{}).value,
            6u * (30 + 3 * (19 + 2 * 384)));
}

std::vector<Param> checked(std::vector<double> rows, std::vector<double> cells,
                           std::vector<double> shape) {
  return {
      {"rows",  std::move(rows) },
      {"cells", std::move(cells)},
      {"shape", std::move(shape)}
  };
}

TEST(Gather, what_it_says_of_its_indices_is_checked) {
  const VertexArray table = array(DType::F32, {1, 3, 1}, {1, 2, 3});
  const std::vector<VertexArray> operands = {table, ints({2}, {0, 5}),
                                             output(DType::F32, {1, 1, 2, 1})};
  EXPECT_THAT(run_vertex("gather", checked({3}, {1}, {1, 2}), operands)[0].values,
              ElementsAre(1, 0));
  const auto refused = [&](const std::vector<Param>& params) {
    return refusal("gather", params, operands);
  };
  EXPECT_EQ(refused({
                {"rows", {3}}
  }),
            "gather: params are (rows), must be (rows, cells, shape)");
  EXPECT_EQ(refused(checked({}, {1}, {2})), "gather: rows must be one number");
  EXPECT_EQ(refused(checked({3}, {0, 1}, {2})), "gather: cells must be one number");
  EXPECT_EQ(refused(checked({0}, {1}, {2})),
            "gather: rows is 0, must be an integer in 1..2147483648");
  EXPECT_EQ(refused(checked({3}, {2}, {2})), "gather: cells is 2, must be an integer in 0..1");
  for (const double size : {0.0, -1.0, 0.5, std::nan("")})
    EXPECT_EQ(refused(checked({3}, {1}, {size})),
              "gather: shape must be up to 8 sizes of at least 1");
}

TEST(Gather, cycles_charge_two_issues_for_a_check) {
  const std::vector<VertexArray> operands = {output(DType::F16, {1, 50, 768}),
                                             output(DType::I32, {13}),
                                             output(DType::F16, {1, 1, 13, 768})};
  const std::vector<Param> params = checked({50}, {0}, {13});
  EXPECT_EQ(find_codelet("gather")->cycles(shape_of(params, operands), Target{}).value,
            6u * (30 + 3 * (21 + 2 * 384)));
}

}  // namespace
}  // namespace tessera
