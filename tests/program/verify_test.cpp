// SPDX-License-Identifier: Apache-2.0
// Every rule has a test that breaks it: the small program with one thing changed.
#include "program/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "program/text.h"
#include "tests/helpers/small_program.h"

namespace tessera {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::StartsWith;

Program small() { return parse_program(kSmallProgram).take(); }

std::string fault(const Program& program, const CheckComputeSet& check = {}) {
  const Status status = verify_program(program, check);
  if (status.ok()) return "";
  EXPECT_EQ(status.error().kind, ErrorKind::BadFile);
  return status.error().message;
}

// The fault of the small program with these changes: what to find, what to put there.
std::string fault(std::initializer_list<std::pair<std::string_view, std::string_view>> changes) {
  std::string text(kSmallProgram);
  for (const auto& [part, by] : changes) {
    const size_t at = text.find(part);
    EXPECT_NE(at, std::string::npos) << part;
    text.replace(at, part.size(), by);
  }
  const auto program = parse_program(text);
  EXPECT_TRUE(program.ok()) << program.error().message;
  return fault(*program);
}

TEST(Verify, a_sound_program_passes) { EXPECT_EQ(fault(small()), ""); }

TEST(Verify, a_read_must_be_mapped_or_delivered) {
  EXPECT_EQ(fault({
                {"    send x [g0*2:2, *] to [2,2] at 0\n", ""}
  }),
            "superstep 'layer/matmul': operand 0: vertex 0 on tile 0 reads 'x' [0:2,0:6] of [4,6], "
            "which is not on that tile, must be mapped or delivered there");
  EXPECT_EQ(fault({
                {"send x [g0*2:2, *] to [2,2] at 0", "send x [g0*2:2, *] to [2,1] at 0"}
  }),
            "superstep 'layer/matmul': operand 0: vertex 2 on tile 2 reads 'x' [2:4,0:6] of [4,6], "
            "which is not on that tile, must be mapped or delivered there")
      << "tiles 0 and 1 are sent rows, and tile 1 holds all of x";
}

TEST(Verify, what_is_mapped_to_the_tile_needs_no_transfer) {
  EXPECT_EQ(fault({
                {"x: f32[4,6] = by [4,6] at 1",            "x: f32[4,6] = by [4,6] at 0"    },
                {"    send x [g0*2:2, *] to [2,2] at 0\n", "    send x [*, *] to [3] at 1\n"}
  }),
            "");
}

TEST(Verify, a_read_may_be_pieced_together_from_the_tile_and_transfers) {
  EXPECT_EQ(fault({
                {"send y as [8,4] [g0*2:2, *] to [4] at 0",
                 "send y as [16,2] [g0*4:2, *] to [4] at 0\n"
                 "    send y as [16,2] [2+g0*4:2, *] to [4] at 0"}
  }),
            "");
  EXPECT_EQ(fault({
                {"send y as [8,4] [g0*2:2, *] to [4] at 0",
                 "send y as [16,2] [g0*4:2, *] to [4] at 0\n"
                 "    send y as [16,2] [3+g0*4:1, *] to [4] at 0"}
  }),
            "superstep 'layer/gelu': operand 0: vertex 0 on tile 0 reads 'y' [0:2,0:4] of [8,4], "
            "which is not on that tile, must be mapped or delivered there");
}

TEST(Verify, a_write_must_be_mapped_to_the_tile) {
  EXPECT_EQ(fault({
                {"y: f32[4,8] = by [2,4] at 0", "y: f32[4,8] = by [4,2] at 0"}
  }),
            "superstep 'layer/matmul': operand 2: vertex 0 on tile 0 writes 'y' [0:2,0:4] of "
            "[4,8], which is not mapped to that tile, must be mapped to it");
}

TEST(Verify, a_variable_is_written_completely) {
  EXPECT_EQ(fault({
                {"write z as [8,4] [g0*2:2, *]", "write z as [8,4] [g0*2:1, *]"}
  }),
            "superstep 'layer/gelu': operand 1: writes 16 elements of 'z', must write all 32");
}

TEST(Verify, a_variable_is_written_once) {
  EXPECT_EQ(fault({
                {"write z as [8,4] [g0*2:2, *]", "write y as [8,4] [g0*2:2, *]"}
  }),
            "superstep 'layer/gelu': operand 1: writes 'y' once more, must be its only writer");
  EXPECT_EQ(fault({
                {"write z as [8,4] [g0*2:2, *]",
                 "write z as [8,4] [g0*2:2, *]\n    write z as [8,4] [g0*2:2, *]"}
  }),
            "superstep 'layer/gelu': operand 2: writes 'z' once more, must be its only writer");
}

// z has three slices of two rows, each over two tiles.
std::string in_slices(std::initializer_list<int> slices) {
  std::string steps;
  for (int slice : slices) {
    steps += "  step part" + std::to_string(steps.size()) + " {\n    elementwise on [2] at 0 " +
             "domain=0 tape=[11,0] constants=[]\n    read x [" + std::to_string(slice) +
             ":1, g0*1:1, *]\n    write z [" + std::to_string(slice) + ":1, g0*1:1, *]\n  }\n";
  }
  return "program slices {\n  target c600\n  input x: f32[3,2,4] = by [3,1,4] at 0\n"
         "  output z: f32[3,2,4] = by [3,1,4] at 0\n  inputs x\n  outputs z\n" +
         steps + "}\n";
}

std::string fault_of(const std::string& text) {
  auto program = parse_program(text);
  if (!program.ok()) return program.error().message;
  const Status status = verify_program(*program, {});
  return status.ok() ? "" : status.error().message;
}

TEST(Verify, a_variable_may_be_written_slice_by_slice_in_order) {
  EXPECT_EQ(fault_of(in_slices({0, 1, 2})), "");
  EXPECT_EQ(fault_of(in_slices({0, 1})), "output 'z': no superstep writes it, must be written");
  EXPECT_EQ(fault_of(in_slices({0, 2})),
            "superstep 'part138': operand 1: writes slice 2 of 'z', must write slice 1 of 3");
  EXPECT_EQ(fault_of(in_slices({0, 0, 1, 2})),
            "superstep 'part138': operand 1: writes slice 0 of 'z', must write slice 1 of 3");
}

TEST(Verify, inputs_and_constants_are_never_written) {
  EXPECT_EQ(fault({
                {"write z as [8,4] [g0*2:2, *]", "write x [*, *]"}
  }),
            "superstep 'layer/gelu': operand 1: writes 'x', must be an activation or an output");
  EXPECT_EQ(fault({
                {"write z as [8,4] [g0*2:2, *]", "write w [*, *]"}
  }),
            "superstep 'layer/gelu': operand 1: writes 'w', must be an activation or an output");
}

TEST(Verify, every_output_is_written) {
  EXPECT_EQ(fault({
                {"activation y: f32[4,8] = by [2,4] at 0",
                 "activation y: f32[4,8] = by [2,4] at 0\n  output u: f32[1] = by [1] at 0"},
                {"outputs z",                              "outputs z u"                   }
  }),
            "output 'u': no superstep writes it, must be written");
}

TEST(Verify, nothing_is_read_before_it_is_written) {
  EXPECT_EQ(fault({
                {"read w [*, g1*4:4]", "read y [*, g1*4:4]"}
  }),
            "superstep 'layer/matmul': operand 1: reads 'y', which the same compute set must not "
            "write");
  EXPECT_EQ(fault({
                {"read w [*, g1*4:4]", "read z [*, g1*4:4]"}
  }),
            "superstep 'layer/matmul': operand 1: reads 'z', which no superstep before writes, "
            "must be written");
  EXPECT_EQ(fault({
                {"send w [*, g1*4:4]", "send y [*, g1*4:4]"}
  }),
            "superstep 'layer/matmul': transfer 1: reads 'y', which no superstep before writes, "
            "must be written");
}

TEST(Verify, a_compute_set_writes_something) {
  EXPECT_EQ(fault({
                {"    write z as [8,4] [g0*2:2, *]\n", ""}
  }),
            "superstep 'layer/gelu': no operand is written, at least one must be");
}

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
            "variable 'y': constant is 0, must be -1 where the variable is none");
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

TEST(Verify, what_the_codelets_ask_is_asked_of_every_compute_set) {
  std::vector<std::string> asked;
  const auto check = [&](const Program&, const ComputeSet& set) -> Status {
    asked.push_back(set.codelet);
    if (set.codelet == "matmul") return {};
    return Error{"elementwise: no"};
  };
  EXPECT_EQ(fault(small(), check), "superstep 'layer/gelu': elementwise: no");
  EXPECT_EQ(asked, (std::vector<std::string>{"matmul", "elementwise"}));
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
