// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/codelets/vertex_runner.h"

namespace tessera {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

TEST(Unpack, gives_each_segment_a_row) {
  const VertexArray x = ints({6, 1}, {10, 20, 21, 30, 31, 32});
  EXPECT_THAT(
      run_vertex("unpack", {}, {x, ints({4}, {1, 2, 3, 0}), output(DType::I32, {4, 3, 1})})[0]
          .values,
      ElementsAre(10, 0, 0, 20, 21, 0, 30, 31, 32, 0, 0, 0));
}

// Every block of out, cut in segments, in tokens and in columns, at its place in the whole.
TEST(Unpack, blocks_of_out_make_up_the_whole) {
  std::mt19937 random(1);
  const std::vector<int32_t> lengths = {3, 0, 5, 1};
  for (const DType dtype : {DType::F32, DType::F16, DType::I32}) {
    const VertexArray x = with_gaps(random_array(dtype, {12, 7}, random, 50), 2, 1);
    for (const int64_t s : {0, 1, 2}) {
      for (const int64_t l : {0, 2, 4}) {
        VertexArray out = with_gaps(output(dtype, {2, 2, 7}), 3, 1);
        out.begin = {s, l, 0};
        const VertexArray is = run_vertex("unpack", {}, {x, ints({4}, lengths), out})[0];
        int64_t start = 0;
        for (int64_t i = 0; i < s; ++i) start += lengths[static_cast<size_t>(i)];
        for (int64_t i = 0; i < 2; start += lengths[static_cast<size_t>(s + i++)])
          for (int64_t j = 0; j < 2; ++j)
            for (int64_t c = 0; c < 7; ++c)
              ASSERT_EQ(is.at({i, j, c}),
                        l + j < lengths[static_cast<size_t>(s + i)] ? x.at({start + l + j, c}) : 0);
      }
    }
  }
}

TEST(Unpack, starts_take_segments_from_anywhere) {
  const VertexArray x = ints({6, 1}, {21, 31, 32, 11, 12, 0});
  VertexArray out = output(DType::I32, {2, 2, 1});
  out.begin = {1, 0, 0};  // the second and third segment
  EXPECT_THAT(run_vertex("unpack", {}, {x, ints({3, 2}, {3, 2, 0, 1, 1, 2}), out})[0].values,
              ElementsAre(21, 0, 31, 32));
}

TEST(Unpack, hostile_starts_read_nothing_outside) {
  const VertexArray x = ints({3, 1}, {1, 2, 3});
  const VertexArray info = ints({4, 2}, {INT32_MIN, INT32_MAX, -1, 3, 2, INT32_MAX, INT32_MAX, 1});
  EXPECT_THAT(run_vertex("unpack", {}, {x, info, output(DType::I32, {4, 2, 1})})[0].values,
              ElementsAre(0, 0, 0, 1, 3, 0, 0, 0));
}

TEST(Unpack, a_segment_longer_than_its_row_is_cut) {
  const VertexArray x = ints({5, 1}, {1, 2, 3, 4, 5});
  EXPECT_THAT(
      run_vertex("unpack", {}, {x, ints({2}, {4, 1}), output(DType::I32, {2, 2, 1})})[0].values,
      ElementsAre(1, 2, 5, 0));
}

TEST(Unpack, hostile_lengths_read_nothing_outside) {
  const VertexArray x = ints({3, 2}, {1, 2, 3, 4, 5, 6});
  const auto run = [&](std::vector<int32_t> lengths) {
    return run_vertex("unpack", {},
                      {x, ints({3}, std::move(lengths)), output(DType::I32, {3, 2, 2})})[0]
        .values;
  };
  EXPECT_THAT(run({INT32_MIN, -1, 2}), ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4));
  EXPECT_THAT(run({2, INT32_MAX, INT32_MAX}), ElementsAre(1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(run({INT32_MAX, INT32_MAX, INT32_MAX}),
              ElementsAre(1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(run({INT32_MIN, INT32_MIN, INT32_MIN}), Each(0));
}

TEST(Unpack, a_box_of_the_tokens_gives_what_it_holds) {
  VertexArray x = ints({2, 1}, {12, 13});
  x.begin = {2, 0};
  EXPECT_THAT(
      run_vertex("unpack", {}, {x, ints({2}, {3, 3}), output(DType::I32, {2, 3, 1})})[0].values,
      ElementsAre(0, 0, 12, 13, 0, 0));
}

TEST(Unpack, refuses_what_it_cannot_run) {
  const VertexArray x = ints({3, 2}, {1, 2, 3, 4, 5, 6});
  const VertexArray info = ints({3}, {1, 1, 1});
  EXPECT_EQ(refusal("unpack", {}, {x, info, output(DType::I32, {3, 2, 1})}),
            "unpack: operand 2 is i32[3,2,1], must be any[*,*,2]");
  EXPECT_EQ(
      refusal("unpack", {}, {x, array(DType::F32, {3}, {1, 1, 1}), output(DType::I32, {3, 2, 2})}),
      "unpack: operand 1 is f32[3], must be i32[*]");
  EXPECT_EQ(refusal("unpack", {}, {x, info, output(DType::F32, {3, 2, 2})}),
            "unpack: operand 2 is f32, must be i32 as operand 0 is");
}

TEST(Unpack, cycles_charge_every_row) {
  const std::vector<Param> params;
  const std::vector<VertexArray> operands = {
      output(DType::F16, {512, 64}), output(DType::I32, {40}), output(DType::F16, {2, 10, 64})};
  // 4 rows a worker of 128 bytes.
  EXPECT_EQ(find_codelet("unpack")->cycles(shape_of(params, operands), Target{}).value,
            25u + 6 * (39 + 40 + 4 * (24 + 32)));
}

}  // namespace
}  // namespace tessera
