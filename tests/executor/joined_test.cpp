// SPDX-License-Identifier: Apache-2.0
// The vertices that the direct machine makes of the Program's cut. machine_test asks whether the
// bits are the same.
#include "executor/joined.h"

#include <gtest/gtest.h>

#include "executor/pieces.h"
#include "tests/helpers/tiny_executable.h"

namespace tessera {
namespace {

// A matmul whose sum is cut in three, on this many tiles.
constexpr std::string_view kParts = R"(program parts {
  target c600
  input x: f16[1,300,40] = by [1,300,40] at 0
  constant w: f16[1,40,100] = by [1,40,100] at 0 data 0
  activation p: f16[3,300,100] = by [1,20,30] at 0
  output y: f16[300,100] = by [7,100] at 0
  inputs x
  outputs y
  step matmul {
    send x [*, g1*20:20, g0*16:16] to [3,15,4] at 0
    send w [*, g0*16:16, g2*30:30] to [3,15,4] at 0
    matmul on [3,15,4] at 0 bias=0 residual=0 activation=0
    read x [*, g1*20:20, g0*16:16]
    read w [*, g0*16:16, g2*30:30]
    write p [g0*1:1, g1*20:20, g2*30:30]
  }
  step sum {
    send p [*, g0*7:7, *] to [43] at 0
    reduce_partials on [43] at 0 bias=0 residual=0 activation=0
    read p [*, g0*7:7, *]
    write y as [1,300,100] [*, g0*7:7, *]
  }
}
)";

struct Joined {
  std::vector<JoinedVertex> product, sum;
};

std::vector<JoinedVertex> join_superstep(const Program& program, size_t step) {
  Budget memory({}, &Limits::memory);
  return join_vertices(program, program.supersteps[step].compute, memory).take();
}

Joined join(const Executable& executable) {
  return {join_superstep(executable.program, 0), join_superstep(executable.program, 1)};
}

TEST(Joined, what_does_not_depend_on_each_other_is_one_vertex) {
  const Executable executable = tiny_executable(kParts);
  const Joined joined = join(executable);
  ASSERT_EQ(joined.product.size(), 3U);  // parts of a sum stay apart
  EXPECT_EQ(joined.product[1].shape().operands[0].size, (Shape{1, 300, 16}));
  EXPECT_EQ(joined.product[2].shape().operands[1].size, (Shape{1, 8, 100}));
  ASSERT_EQ(joined.sum.size(), 1U);
  EXPECT_EQ(joined.sum[0].shape().operands[0].size, (Shape{3, 300, 100}));
}

TEST(Joined, a_product_in_parts_and_its_sum_are_one_vertex) {
  const Executable executable = tiny_executable(kParts);
  const Joined joined = join(executable);
  const std::vector<JoinedVertex> both = join_partials(joined.product, joined.sum);
  ASSERT_EQ(both.size(), 1U);
  EXPECT_EQ(both[0].shape().operands[0].size, (Shape{1, 300, 40}));
  EXPECT_EQ(both[0].shape().operands[1].size, (Shape{1, 40, 100}));
  EXPECT_EQ(both[0].shape().operands[2].size, (Shape{1, 300, 100}));
}

TEST(Joined, a_sum_of_something_else_stays_apart) {
  const Executable executable = tiny_executable(kParts);
  const Joined joined = join(executable);
  std::vector<JoinedVertex> first_two(joined.product.begin(), joined.product.begin() + 2);
  EXPECT_TRUE(join_partials(first_two, joined.sum).empty());
  EXPECT_TRUE(join_partials(joined.sum, joined.sum).empty());
}

// Its partials are in memory when it reads one of them again, as what is added at the end.
TEST(Joined, a_sum_that_reads_its_partials_twice_stays_apart) {
  constexpr std::string_view kAgain = R"(
    send p [2:1, *, *] to [1] at 0
    reduce_partials on [1] at 0 bias=0 residual=1 activation=0
    read p [*, *, *]
    read p [2:1, *, *]
    write y as [1,300,100] [*, *, *]
  }
}
)";
  std::string text(kParts);
  text.replace(text.find("y: f16[300,100] = by [7,100]"), 28, "y: f16[300,100] = by [300,100]");
  text.replace(text.find("    send p [*, g0*7:7, *]"), std::string::npos,
               "    send p [*, *, *] to [1] at 0");
  const Executable executable = tiny_executable(text + std::string(kAgain));
  const Joined joined = join(executable);
  ASSERT_EQ(joined.sum.size(), 1U);
  EXPECT_TRUE(join_partials(joined.product, joined.sum).empty());
}

TEST(Pieces, cover_the_work_once) {
  const Executable executable = tiny_executable(kParts);
  const Joined joined = join(executable);
  for (const int threads : {1, 2, 7}) {
    int64_t elements = 0;
    for (const JoinedVertex& piece : cut_into_pieces(joined.sum, threads)) {
      elements += tessera::elements(piece.operands.back().box);
    }
    EXPECT_EQ(elements, 300 * 100) << threads << " threads";
  }
}

TEST(Pieces, are_as_many_on_few_tiles_as_on_many) {
  const auto pieces = [](std::string_view grid, std::string_view block) {
    std::string text = R"(program rows {
  target c600
  input x: f16[4096,512] = by [ROWS,512] at 0
  output y: f16[4096,512] = by [ROWS,512] at 0
  inputs x
  outputs y
  step softmax {
    softmax on GRID at 0
    read x [g0*ROWS:ROWS, *]
    write y [g0*ROWS:ROWS, *]
  }
}
)";
    const auto replace = [&](std::string_view what, std::string_view by) {
      for (size_t at; (at = text.find(what)) != text.npos;) text.replace(at, what.size(), by);
    };
    replace("GRID", grid);
    replace("ROWS", block);
    const Executable executable = tiny_executable(text);
    return cut_into_pieces(join_superstep(executable.program, 0), 2).size();
  };
  EXPECT_EQ(pieces("[16]", "256"), pieces("[1366]", "3"));
  EXPECT_GT(pieces("[16]", "256"), 1U);
}

}  // namespace
}  // namespace tessera
