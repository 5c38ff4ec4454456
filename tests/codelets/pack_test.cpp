// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/codelets/vertex_runner.h"

namespace tessera {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

TEST(Pack, lays_segments_end_to_end) {
  const VertexArray x = ints({3, 3, 1}, {10, 0, 0, 20, 21, 0, 30, 31, 32});
  EXPECT_THAT(
      run_vertex("pack", {}, {x, ints({3}, {1, 2, 3}), output(DType::I32, {8, 1})})[0].values,
      ElementsAre(10, 20, 21, 30, 31, 32, 0, 0));
}

TEST(Pack, blocks_of_out_make_up_the_whole) {
  std::mt19937 random(1);
  const std::vector<int32_t> lengths = {3, 0, 5, 1};
  for (const DType dtype : {DType::F32, DType::F16, DType::I32}) {
    const VertexArray x = with_gaps(random_array(dtype, {4, 5, 7}, random, 50), 2, 1);
    for (int64_t first = 0; first < 12; first += 3) {
      VertexArray out = with_gaps(output(dtype, {3, 7}), 3, 1);
      out.begin = {first, 0};
      const VertexArray is = run_vertex("pack", {}, {x, ints({4}, lengths), out})[0];
      for (int64_t t = 0; t < 3; ++t) {
        int64_t segment = 0, token = first + t;
        while (segment < 4 && token >= lengths[static_cast<size_t>(segment)])
          token -= lengths[static_cast<size_t>(segment++)];
        for (int64_t c = 0; c < 7; ++c)
          ASSERT_EQ(is.at({t, c}), segment < 4 ? x.at({segment, token, c}) : 0);
      }
    }
  }
}

TEST(Pack, undoes_unpack) {
  std::mt19937 random(2);
  const VertexArray info = ints({4}, {2, 4, 1, 3});
  const VertexArray x = random_array(DType::F16, {10, 5}, random, 9);
  VertexArray rows = run_vertex("unpack", {}, {x, info, output(DType::F16, {4, 4, 5})})[0];
  rows.writes = false;
  EXPECT_EQ(run_vertex("pack", {}, {rows, info, output(DType::F16, {10, 5})})[0].values, x.values);
}

TEST(Pack, hostile_lengths_read_and_write_nothing_outside) {
  const VertexArray x = ints({2, 2, 1}, {1, 2, 3, 4});
  const auto run = [&](std::vector<int32_t> lengths) {
    return run_vertex("pack", {}, {x, ints({3}, std::move(lengths)), output(DType::I32, {5, 1})})[0]
        .values;
  };
  EXPECT_THAT(run({INT32_MIN, 2, 0}), ElementsAre(3, 4, 0, 0, 0));
  EXPECT_THAT(run({3, INT32_MAX, INT32_MAX}), ElementsAre(1, 2, 0, 3, 4));
  EXPECT_THAT(run({INT32_MAX, INT32_MAX, INT32_MAX}), ElementsAre(1, 2, 0, 0, 0));
  EXPECT_THAT(run({0, 0, 2}), Each(0));  // a length of a segment that is not there
}

TEST(Pack, starts_put_segments_anywhere) {
  const VertexArray x = ints({3, 2, 1}, {11, 12, 21, 99, 31, 32});
  const VertexArray info = ints({3, 2}, {3, 2, 0, 1, 1, 2});
  EXPECT_THAT(run_vertex("pack", {}, {x, info, output(DType::I32, {6, 1})})[0].values,
              ElementsAre(21, 31, 32, 11, 12, 0));
  VertexArray out = output(DType::I32, {2, 1});
  out.begin = {2, 0};
  EXPECT_THAT(run_vertex("pack", {}, {x, info, out})[0].values, ElementsAre(32, 11));
}

TEST(Pack, hostile_starts_write_nothing_outside) {
  const VertexArray x = ints({4, 2, 1}, {1, 2, 3, 4, 5, 6, 7, 8});
  const VertexArray info = ints({4, 2}, {INT32_MIN, INT32_MAX, -1, 2, 2, INT32_MAX, INT32_MAX, 1});
  EXPECT_THAT(run_vertex("pack", {}, {x, info, output(DType::I32, {4, 1})})[0].values,
              ElementsAre(4, 0, 5, 6));
}

TEST(Pack, refuses_what_it_cannot_run) {
  const VertexArray x = ints({2, 2, 1}, {1, 2, 3, 4});
  const VertexArray info = ints({2}, {1, 1});
  EXPECT_EQ(refusal("pack", {}, {x, info, output(DType::I32, {5, 2})}),
            "pack: operand 2 is i32[5,2], must be any[*,1]");
  EXPECT_EQ(refusal("pack", {}, {x, info, output(DType::F16, {5, 1})}),
            "pack: operand 2 is f16, must be i32 as operand 0 is");
  EXPECT_EQ(refusal("pack", {}, {x, info}), "pack: there are 2 operands, must be 3");
}

TEST(Pack, cycles_charge_every_row) {
  const std::vector<Param> params;
  const std::vector<VertexArray> operands = {
      output(DType::F32, {40, 16, 64}), output(DType::I32, {40}), output(DType::F32, {20, 64})};
  // 4 rows a worker of 256 bytes.
  EXPECT_EQ(find_codelet("pack")->cycles(shape_of(params, operands), Target{}).value,
            25u + 6 * (39 + 40 + 4 * (24 + 64)));
}

}  // namespace
}  // namespace tessera
