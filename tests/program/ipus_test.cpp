// SPDX-License-Identifier: Apache-2.0
// Programs for several IPUs: their text, their bytes, and the rules that hold between IPUs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "program/boxes.h"
#include "program/messages.h"
#include "program/text.h"
#include "program/verify.h"
#include "tests/helpers/ipu_programs.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string replaced(std::string text, std::string_view part, std::string_view by) {
  const size_t at = text.find(part);
  EXPECT_NE(at, std::string::npos) << part;
  return text.replace(at, part.size(), by);
}

// kPipedProgram, and z = y behind it on the same IPU.
std::string over() {
  std::string text(kPipedProgram);
  text =
      replaced(text, "output y: f32[8,64] = by [2,64] at 4",
               "activation y: f32[8,64] = by [2,64] at 4\n  output z: f32[8,64] = by [2,64] at 4");
  text = replaced(text, "outputs y", "outputs z");
  return text.replace(text.rfind('}'), 1, R"(  step stay stage 1 {
    copy on [4] at 4 perm=[0,1] step=[1,1]
    read y [g0*2:2, *]
    write z [g0*2:2, *]
  }
}
)");
}

std::string changed(std::string_view part, std::string_view by) {
  return replaced(over(), part, by);
}

std::string fault(const std::string& text) {
  const auto program = parse_program(text);
  EXPECT_TRUE(program.ok()) << program.error().message;
  const Status status = verify_program(*program, {});
  return status.ok() ? "" : status.error().message;
}

TEST(Ipus, tiles_are_numbered_over_all_of_them) {
  const Target target = target_preset("c600x4").take();
  EXPECT_EQ(target.all_tiles(), 4 * 1472);
  EXPECT_EQ(target.ipu_of(1471), 0);
  EXPECT_EQ(target.ipu_of(1472), 1);
  EXPECT_EQ(target_preset("bow-pod16").take().ipus, 16);
  EXPECT_EQ(target_preset("pod4").take().links, 10);
}

TEST(Ipus, text_and_bytes_are_read_back) {
  const Program program = parse_program(over()).take();
  const std::string text = print(program);
  EXPECT_EQ(print(parse_program(text).take()), text);
  EXPECT_THAT(text, HasSubstr("  step over stage 1 {\n"));
  const std::string bytes = to_bytes(program);
  const auto read = program_from(std::as_bytes(std::span(bytes)));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(print(*read), text);
  Program faster = program;
  faster.target.link_bytes_per_second *= 2;
  EXPECT_EQ(parse_program(print(faster)).take().target, faster.target);
  EXPECT_NE(to_bytes(faster), bytes);
}

TEST(Ipus, one_ipu_is_written_as_if_it_had_no_links) {
  Program program = parse_program(changed("testx2", "test")).take();
  const std::string bytes = to_bytes(program), text = print(program);
  program.target.links = 77;
  EXPECT_EQ(to_bytes(program), bytes);
  EXPECT_EQ(print(program), text);
  EXPECT_THAT(text, Not(HasSubstr("ipus")));
}

TEST(Ipus, a_sound_program_passes) { EXPECT_EQ(fault(over()), ""); }

TEST(Ipus, nothing_crosses_but_by_an_exchange) {
  EXPECT_EQ(fault(changed("    send w [g0*2:2, *] to [4] at 4\n", "")),
            "superstep 'over': operand 0: vertex 0 on tile 4 reads 'w' [0:2,0:64] of [8,64], which "
            "is not on that tile, must be mapped or delivered there");
  EXPECT_EQ(fault(changed("y: f32[8,64] = by [2,64] at 4", "y: f32[8,64] = by [2,64] at 0")),
            "superstep 'over': operand 1: vertex 0 on tile 4 writes 'y' [0:2,0:64] of [8,64], "
            "which is not mapped to that tile, must be mapped to it");
}

TEST(Ipus, tiles_beyond_the_last_ipu_do_not_exist) {
  EXPECT_EQ(fault(changed("testx2", "test")),
            "variable 'y': tiles 4 to 7 are used, must be below 4");
}

std::string fault_of_dealt(const std::string& part, const std::string& by) {
  std::string text(kDealtProgram);
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += by.size())
    text.replace(at, part.size(), by);
  return fault(text);
}

TEST(Ipus, a_grid_that_is_dealt_out_has_its_part_on_each) {
  const Program program = parse_program(kDealtProgram).take();
  EXPECT_EQ(fault(std::string(kDealtProgram)), "");
  const Mapping& mapping = program.variables[1].mapping;
  const VertexGrid& grid = program.supersteps[0].compute.grid;
  std::vector<int64_t> tiles;
  for (int64_t k = 0; k < block_count(mapping); ++k) {
    tiles.push_back(tile_of(mapping, k));
    EXPECT_EQ(tile_of(grid, k), tiles.back());
    EXPECT_EQ(block_on(mapping, tiles.back()), k);
    EXPECT_EQ(vertex_on(grid, tiles.back()), k);
  }
  // Columns 0 and 1 of both rows are IPU 0's, 2 and 3 IPU 1's.
  EXPECT_THAT(tiles, ElementsAre(0, 1, 4, 5, 2, 3, 6, 7));
  EXPECT_EQ(tiles_of(grid), (Range{0, 8}));
  EXPECT_EQ(ipus_of(grid, program.target), (Range{0, 2}));
  EXPECT_EQ(bytes_on_tile(program.variables[1], TileId{6}), 4 * 16 * 4);
}

TEST(Ipus, the_last_one_may_have_less_of_a_deal) {
  const VertexGrid grid{
      {2, 3},
      {},
      {1, 2, 4}
  };
  EXPECT_EQ(vertex_on(grid, 4), 2);
  EXPECT_EQ(vertex_on(grid, 5), std::nullopt);
  EXPECT_EQ(vertex_on(grid, 6), 5);
  EXPECT_EQ(vertex_on(grid, 7), std::nullopt);
  EXPECT_EQ(vertex_on(grid, 8), std::nullopt);
}

TEST(Ipus, a_deal_is_written_and_read_back) {
  const Program program = parse_program(kDealtProgram).take();
  const std::string text = print(program);
  EXPECT_EQ(print(parse_program(text).take()), text);
  EXPECT_THAT(text, HasSubstr("output y: f32[8,64] = by [4,16] at 0 deal 1 each 2 stride 4\n"));
  const std::string bytes = to_bytes(program);
  const auto read = program_from(std::as_bytes(std::span(bytes)));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(print(*read), text);
}

TEST(Ipus, a_part_of_a_deal_lies_within_its_ipu) {
  EXPECT_EQ(fault_of_dealt("deal 1", "deal 2"),
            "variable 'y': axis 2 is dealt out, must be one of [2,4]");
  EXPECT_EQ(fault_of_dealt("each 2", "each 4"),
            "variable 'y': 4 of 4 are dealt out to an IPU, must be at least 1, and not all");
  EXPECT_EQ(fault_of_dealt("stride 4", "stride 3"),
            "variable 'y': the tiles of the next IPU are 3 further, must be 4");
  EXPECT_EQ(fault_of_dealt("at 0 deal", "at 1 deal"),
            "variable 'y': uses tiles 1..4 of 2 IPUs, which the target does not have");
  EXPECT_EQ(fault_of_dealt("each 2", "each 1"),
            "variable 'y': uses tiles 0..1 of 4 IPUs, which the target does not have");
}

TEST(Ipus, a_stage_is_on_one_ipu_and_reads_no_later_one) {
  EXPECT_EQ(fault(changed("step stay stage 1", "step stay")),
            "superstep 'stay': stage 0 computes on IPUs 1 to 1, must be on IPU 0 alone");
  EXPECT_EQ(fault(changed("step make {", "step make stage 2 {")),
            "superstep 'over': stage 1 reads 'w', which stage 2 writes, must be an earlier one or "
            "the same");
  EXPECT_EQ(fault(changed("step make {", "step make stage 7 {")),
            "superstep 'make': stage is 7, must be from 0 to 2");
  EXPECT_EQ(fault(changed("step make {", "step make stage 1 {")),
            "superstep 'over': stage 1 computes on IPUs 1 to 1, must be on IPU 0 alone");
}

// The first slice is of stage 1 and the second of stage 0, which then reads both.
TEST(Ipus, a_stage_reads_no_slice_of_a_later_one) {
  EXPECT_EQ(fault(R"(program slices {
  target testx2
  host batches_per_step=3 io_tiles=0 prefetch=1
  input x: f32[2,64] = by [1,16] at 0
  activation w: f32[2,64] = by [1,16] at 0
  output y: f32[2,64] = by [1,32] at 4
  inputs x
  outputs y
  step first stage 1 {
    copy on [4] at 0 perm=[0,1] step=[1,1]
    read x [0:1, g0*16:16]
    write w [0:1, g0*16:16]
  }
  step second {
    copy on [4] at 4 perm=[0,1] step=[1,1]
    read x [1:1, g0*16:16]
    write w [1:1, g0*16:16]
  }
  step both {
    send w [g0*1:1, g1*32:32] to [2,2] at 4
    copy on [2,2] at 4 perm=[0,1] step=[1,1]
    read w [g0*1:1, g1*32:32]
    write y [g0*1:1, g1*32:32]
  }
})"),
            "superstep 'both': stage 0 reads 'w', which stage 1 writes, must be an earlier one or "
            "the same");
}

TEST(Ipus, a_target_has_as_many_as_its_tiles_allow) {
  Program program = parse_program(over()).take();
  program.target.ipus = 65'536;
  const Status many = verify_program(program, {});
  ASSERT_FALSE(many.ok());
  EXPECT_EQ(many.error().message,
            "target: ipus is 65536, must be from 1 to 16384, so that all have at most 65536 tiles");
  program.target.ipus = 2;
  program.target.link_efficiency = 1.5;
  const Status fast = verify_program(program, {});
  ASSERT_FALSE(fast.ok());
  EXPECT_EQ(fast.error().message, "target: link_efficiency is 1.5, must be at most 1");
}

}  // namespace
}  // namespace tessera
