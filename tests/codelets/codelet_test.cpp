// SPDX-License-Identifier: Apache-2.0
#include "codelets/codelet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program/boxes.h"

namespace tessera {
namespace {

constexpr std::string_view kRows[] = {
#define CODELET(name, ...) #name,
#include "codelets/codelets.def"
#undef CODELET
};

TEST(Codelet, of_every_row_is_found_by_name_and_complete) {
  for (const std::string_view row : kRows) {
    const Codelet* codelet = find_codelet(row);
    ASSERT_NE(codelet, nullptr) << row;
    EXPECT_EQ(codelet->name, row);
    EXPECT_GT(codelet->code_bytes, 0) << row;
    ASSERT_GT(codelet->bitcode.size(), 2U) << row;
    EXPECT_EQ(codelet->bitcode[0], std::byte{'B'}) << row;  // the magic of bitcode: BC
    EXPECT_EQ(codelet->bitcode[1], std::byte{'C'}) << row;
  }
}

TEST(Codelet, of_another_name_is_none) { EXPECT_EQ(find_codelet("abacus"), nullptr); }

// softmax over 5 rows of x, in blocks of two rows on three tiles: the last block has one.
struct SoftmaxOfBlocks {
  Program program;
  ComputeSet set;

  SoftmaxOfBlocks() {
    for (const char* name : {"x", "out"}) {
      program.variables.push_back({
          .name = name, .shape = {5, 4},
               .mapping = {}
      });
    }
    set.codelet = "softmax";
    set.grid = {.extent = {3}, .first = {}};
    set.operands = {
        {blocked(0, {5, 4}, {2, 4}, {0, -1}), false},
        {blocked(1, {5, 4}, {2, 4}, {0, -1}), true }
    };
  }
};

TEST(VertexShape, is_that_of_the_vertexs_boxes) {
  const SoftmaxOfBlocks is;
  EXPECT_EQ(vertex_shape(is.program, is.set, 0).operands[0].size, (Shape{2, 4}));
  EXPECT_EQ(vertex_shape(is.program, is.set, 2).operands[1].size, (Shape{1, 4}));
  EXPECT_TRUE(vertex_shape(is.program, is.set, 2).operands[1].writes);
  EXPECT_EQ(vertex_shape(is.program, is.set, 2).operands[1].dtype, DType::F32);
}

TEST(CheckComputeSet, accepts_what_every_vertex_can_run) {
  const SoftmaxOfBlocks is;
  EXPECT_TRUE(check_compute_set(is.program, is.set));
}

TEST(CheckComputeSet, refuses_what_only_the_clipped_vertex_cannot_run) {
  SoftmaxOfBlocks is;
  is.program.variables[1].shape = {6, 4};
  is.set.operands[1].region = blocked(1, {6, 4}, {2, 4}, {0, -1});
  Status status = check_compute_set(is.program, is.set);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "softmax: operand 1 is f32[2,4], must be float[1,4]");
  EXPECT_EQ(status.error().kind, ErrorKind::BadFile);
}

TEST(CheckComputeSet, refuses_an_unknown_codelet) {
  SoftmaxOfBlocks is;
  is.set.codelet = "abacus";
  Status status = check_compute_set(is.program, is.set);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "codelet is 'abacus', must be one of this version's");
}

TEST(Params, are_found_by_name) {
  const std::vector<Param> params = {
      {"scale", {0.5} },
      {"tape",  {1, 2}}
  };
  EXPECT_EQ(param(params, "scale"), 0.5);
  EXPECT_THAT(*find_param(params, "tape"), ::testing::ElementsAre(1, 2));
  EXPECT_EQ(find_param(params, "mask"), nullptr);
}

}  // namespace
}  // namespace tessera
