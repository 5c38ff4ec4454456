// SPDX-License-Identifier: Apache-2.0
// Names, numbers, sizes and lists of a Program that are out of bounds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/program/verify_fault.h"

namespace tessera {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::StartsWith;

TEST(Verify, names_are_unique_and_plain) {
  EXPECT_EQ(fault({
                {"step layer/gelu", "step layer/matmul"}
  }),
            "superstep 'layer/matmul': name is taken by another, must be unique");
  EXPECT_EQ(fault({
                {"step layer/gelu", "step \"\""}
  }),
            "superstep 1: name is empty, must not be");
  EXPECT_EQ(fault({
                {"\"MatMul 0\"", "\"\\x1b\""}
  }),
            "superstep 'layer/matmul': origin: name must be UTF-8 without control characters");
  Program program = small();
  program.variables[1].name = "x";
  EXPECT_EQ(fault(program), "variable 'x': name is taken by another, must be unique");
  program.variables[1].name = "\xc3";
  EXPECT_EQ(fault(program), "variable 1: name must be UTF-8 without control characters");
  program.variables[1].name = std::string(5000, 'x');
  EXPECT_EQ(fault(program), "variable 1: name has 5000 bytes, must have at most 4096");
}

TEST(Verify, a_target_has_sane_numbers) {
  Program program = small();
  program.target.exchange_bytes_per_cycle = 0;
  EXPECT_EQ(fault(program),
            "target: exchange_bytes_per_cycle is 0, must be positive and at most 4e+09");
  program = small();
  program.target.clock_hz = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(fault(program), "target: clock_hz is nan, must be positive and at most 1e+15");
  program = small();
  program.target.tiles = 1 << 20;
  EXPECT_EQ(fault(program), "target: tiles is 1048576, must be at most 65536");
}

TEST(Verify, shapes_have_elements_and_do_not_overflow) {
  Program program = small();
  program.variables[2].shape = {int64_t{1} << 40, int64_t{1} << 40};
  EXPECT_EQ(fault(program),
            "variable 'y': shape is [1099511627776,1099511627776], must have rank 0 to 8 and 1 to "
            "2^40 elements");
  program.variables[2].shape = {4, 0};
  EXPECT_EQ(fault(program),
            "variable 'y': shape is [4,0], must have rank 0 to 8 and 1 to 2^40 elements");
  program.variables[2].shape = Shape(9, 1);
  EXPECT_EQ(fault(program),
            "variable 'y': shape is [1,1,1,1,1,1,1,1,1], must have rank 0 to 8 and "
            "1 to 2^40 elements");
}

TEST(Verify, a_mapping_fits_its_variable_and_the_tiles) {
  EXPECT_EQ(fault({
                {"[48] by [12]", "[47] by [12]"}
  }),
            "variable 'w': view of 'w' is [47], must have the 48 elements of [6,8]");
  EXPECT_EQ(fault({
                {"[48] by [12]", "[48] by [12,1]"}
  }),
            "variable 'w': block is [12,1], must have the rank of [48]");
  EXPECT_EQ(fault({
                {"[48] by [12]", "[48] by [0]"}
  }),
            "variable 'w': block is [0], must be at least 1 and at most 2^40");
  EXPECT_EQ(fault({
                {"[48] by [12]", "[48] by [9223372036854775807]"}
  }),
            "variable 'w': block is [9223372036854775807], must be at least 1 and at most 2^40");
  EXPECT_EQ(fault({
                {"[48] by [12]", "[48] by [11]"}
  }),
            "variable 'w': tiles 0 to 4 are used, must be below 4");
  EXPECT_EQ(fault({
                {"[48] by [12] at 0", "[48] by [12] at 4294967295"}
  }),
            "variable 'w': tiles 4294967295 to 4294967298 are used, must be below 4");
}

TEST(Verify, constants_are_numbered_once_each) {
  EXPECT_EQ(fault({
                {"data 0", "data 1"}
  }),
            "variable 'w': constant is 1, must be one of 0 to 0 that no other has");
  EXPECT_EQ(fault({
                {" data 0", ""}
  }),
            "variable 'w': constant is -1, must be one of 0 to 0 that no other has");
  EXPECT_EQ(fault({
                {"[2,4] at 0", "[2,4] at 0 data 0"}
  }),
            "variable 'y': constant is 0, must be -1 where the variable is not a constant");
}

TEST(Verify, inputs_and_outputs_are_listed_once) {
  EXPECT_EQ(fault({
                {"inputs x", "inputs x x"}
  }),
            "inputs: 'x' is listed, must be an input and listed once");
  EXPECT_EQ(fault({
                {"inputs x", "inputs"}
  }),
            "inputs: 'x' must be listed");
  EXPECT_EQ(fault({
                {"outputs z", "outputs y"}
  }),
            "outputs: 'y' is listed, must be an output and listed once");
  Program program = small();
  program.inputs = {-1};
  EXPECT_EQ(fault(program), "inputs: variable -1 is named, must be one of 0 to 3");
  program.inputs = {4};
  EXPECT_EQ(fault(program), "inputs: variable 4 is named, must be one of 0 to 3");
}

TEST(Verify, a_grid_fits_the_tiles) {
  EXPECT_EQ(fault({
                {"matmul on [2,2] at 0", "matmul on [2,2] at 1"}
  }),
            "superstep 'layer/matmul': grid: tiles 1 to 4 are used, must be below 4");
  EXPECT_EQ(fault({
                {"matmul on [2,2]", "matmul on [2,0]"}
  }),
            "superstep 'layer/matmul': grid: an extent is 0, must be at least 1");
  EXPECT_EQ(fault({
                {"matmul on [2,2]", "matmul on [4611686018427387904,4]"}
  }),
            "superstep 'layer/matmul': grid: tiles 0 to 4 are used, must be below 4");
  EXPECT_EQ(fault({
                {"matmul on [2,2]", "matmul on [1,1,1,1,1,1,1,1,1]"}
  }),
            "superstep 'layer/matmul': grid: rank is 9, must be at most 8");
}

TEST(Verify, a_region_stays_inside_its_view) {
  const std::string where = "superstep 'layer/gelu': operand 0: ";
  EXPECT_EQ(fault({
                {"read y as [8,4]", "read y as [8,5]"}
  }),
            where + "view of 'y' is [8,5], must have the 32 elements of [4,8]");
  EXPECT_EQ(fault({
                {"read y as [8,4] [g0*2:2, *]", "read y as [8,4] [g0*2:2]"}
  }),
            where + "1 dimensions are given, must be those of [8,4]");
  EXPECT_EQ(fault({
                {"read y as [8,4] [g0*2:2, *]", "read y as [8,4] [g1*2:2, *]"}
  }),
            where + "dimension 0: axis is 1, must be -1 or an axis of the grid [4]");
  EXPECT_EQ(fault({
                {"read y as [8,4] [g0*2:2, *]", "read y as [8,4] [g0*3:2, *]"}
  }),
            where + "dimension 0: last box begins at 9, must begin inside the extent 8");
  EXPECT_EQ(fault({
                {"read y as [8,4] [g0*2:2, *]", "read y as [8,4] [-1+g0*2:2, *]"}
  }),
            where +
                "dimension 0: offset -1, step 2, size 2: must be at least 0, 0, 1 and at most "
                "2^40");
  EXPECT_EQ(fault({
                {"read y as [8,4] [g0*2:2, *]", "read y as [8,4] [0:0, *]"}
  }),
            where +
                "dimension 0: offset 0, step 0, size 0: must be at least 0, 0, 1 and at most "
                "2^40");
  Program program = small();
  program.supersteps[1].compute.operands[0].region.dims[1].step = 1;
  EXPECT_EQ(fault(program), where + "dimension 1: step is 1, must be 0 where no axis moves it");
  program.supersteps[1].compute.operands[0].region.variable = 99;
  EXPECT_EQ(fault(program), where + "variable 99 is named, must be one of 0 to 3");
}

TEST(Verify, a_program_that_would_take_for_ever_is_refused) {
  Program program = small();
  const Shape shape{int64_t{1} << 20, int64_t{1} << 20};
  program.variables[0].shape = shape;
  program.variables[0].mapping = {
      shape, {shape[0], 2},
       TileId{0}
  };
  program.variables[0].mapping.block = {shape[0], shape[1] / 4};
  program.supersteps[0].exchange[0].region = {
      0, {shape[1],            shape[0]                },
       {{0, 0, 1, shape[1]}, {-1, 0, 0, shape[0] / 2}}
  };
  program.supersteps[0].compute.operands[0].region = program.supersteps[0].exchange[0].region;
  program.supersteps[0].exchange[0].region.dims[1].size = 1;
  for (int i = 0; i < 8; ++i) {
    program.supersteps[0].exchange.insert(program.supersteps[0].exchange.end(), 100,
                                          program.supersteps[0].exchange[0]);
  }
  Limits limits;
  limits.comparisons = int64_t{1} << 20;
  const Status refused = verify_program(program, {}, limits);
  EXPECT_EQ(refused.error().kind, ErrorKind::Refused);
  EXPECT_THAT(refused.error().message,
              AllOf(StartsWith("superstep 'layer/matmul': comparing its regions: needs "
                               "comparisons = 1,"),
                    EndsWith("must be at most 1,048,576 (--limit comparisons=VALUE raises it)")));
}

TEST(Verify, too_many_of_anything_is_refused) {
  Program program = small();
  program.supersteps[0].exchange.resize(5000);
  EXPECT_EQ(fault(program), "superstep 'layer/matmul': 5000 transfers, must be at most 4096");
  program = small();
  program.variables.resize(100'001);
  EXPECT_EQ(fault(program), "100001 variables, must be at most 100000");
  program = small();
  program.supersteps.resize(100'001);
  EXPECT_EQ(fault(program), "100001 supersteps, must be at most 100000");
}

}  // namespace
}  // namespace tessera
