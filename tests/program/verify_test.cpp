// SPDX-License-Identifier: Apache-2.0
// Each rule of reads and writes has a test that breaks it: the small program with one thing
// changed.
#include "program/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/program/verify_fault.h"

namespace tessera {
namespace {

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

}  // namespace
}  // namespace tessera
