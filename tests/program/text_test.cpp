// SPDX-License-Identifier: Apache-2.0
#include "program/text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/helpers/small_program.h"

namespace tessera {
namespace {

Program parsed(std::string_view text) {
  auto program = parse_program(text);
  EXPECT_TRUE(program.ok()) << program.error().message;
  return program.ok() ? program.take() : Program{};
}

std::string replaced(std::string_view part, std::string_view by) {
  std::string text(kSmallProgram);
  const size_t at = text.find(part);
  EXPECT_NE(at, std::string::npos) << part;
  return text.replace(at, part.size(), by);
}

TEST(ProgramText, what_print_writes_parse_reads) {
  EXPECT_EQ(print(parsed(kSmallProgram)), kSmallProgram);
}

TEST(ProgramText, every_part_of_the_text_reaches_the_program) {
  const Program program = parsed(kSmallProgram);
  EXPECT_EQ(program.target, target_preset("test").take());
  ASSERT_EQ(program.variables.size(), 4u);
  const Variable& w = program.variables[1];
  EXPECT_EQ(w.kind, VariableKind::Constant);
  EXPECT_EQ(w.constant, 0);
  EXPECT_EQ(w.mapping, (Mapping{{48}, {12}, TileId{0}}));
  EXPECT_EQ(program.variables[0].mapping.first, TileId{1});
  ASSERT_EQ(program.supersteps.size(), 2u);
  const Superstep& step = program.supersteps[0];
  EXPECT_EQ(step.origin, std::vector<std::string>{"MatMul 0"});
  EXPECT_EQ(step.exchange[1],
            (Transfer{
                {1, {6, 8}, {{-1, 0, 0, 6}, {1, 0, 4, 4}}},
                {{2, 2}, TileId{0}}
  }));
  EXPECT_EQ(step.compute.codelet, "matmul");
  EXPECT_EQ(step.compute.params[2], (Param{"activation", {0}}));
  EXPECT_TRUE(step.compute.operands[2].writes);
  EXPECT_EQ(program.supersteps[1].compute.params[1].values, (std::vector<double>{18, 0, 0, 0}));
}

TEST(ProgramText, how_batches_come_is_written_where_it_is_not_the_usual) {
  Program program = parsed(kSmallProgram);
  EXPECT_EQ(print(program).find("host"), std::string::npos);
  program.host = {.batches_per_step = 64, .io_tiles = 2, .prefetch = false};
  EXPECT_EQ(parsed(print(program)).host, program.host);
}

TEST(ProgramText, a_target_that_is_no_preset_is_written_out) {
  Program program = parsed(kSmallProgram);
  program.target.sync_cycles = 7;
  program.target.clock_hz = 0.1;
  const Program again = parsed(print(program));
  EXPECT_EQ(again.target, program.target);
}

TEST(ProgramText, any_name_survives) {
  for (std::string name : {"step", "1st", ".x", "a b", "q\"uote", "back\\slash", "line\nbreak\x7f",
                           "\\", "\\x41", "schlüssel", "g0", "-"}) {
    Program program = parsed(kSmallProgram);
    program.name = name;
    for (size_t i = 0; i < program.variables.size(); ++i)
      program.variables[i].name = name + (i ? std::to_string(i) : "");
    program.supersteps[0].name = name;
    program.supersteps[0].origin = {name, name};
    program.supersteps[0].compute.codelet = name;
    program.supersteps[0].compute.params[0].name = name;
    program.target.name = name;
    const std::string text = print(program);
    const Program again = parsed(text);
    EXPECT_EQ(print(again), text);
    ASSERT_EQ(again.variables.size(), 4u) << text;
    EXPECT_EQ(again.variables[0].name, name);
    EXPECT_EQ(again.supersteps[0].origin, program.supersteps[0].origin);
    EXPECT_EQ(again.supersteps[0].compute.params, program.supersteps[0].compute.params);
    EXPECT_EQ(again.target, program.target);
  }
}

TEST(ProgramText, numbers_survive_to_the_bit) {
  Program program = parsed(kSmallProgram);
  const double infinity = std::numeric_limits<double>::infinity();
  program.supersteps[0].compute.params[0].values = {
      0.1, -3.4028234663852886e38, 5e-324, -0.0, 1e22, infinity, -infinity};
  const Program again = parsed(print(program));
  EXPECT_EQ(again.supersteps[0].compute.params, program.supersteps[0].compute.params);
  EXPECT_TRUE(std::signbit(again.supersteps[0].compute.params[0].values[3]));
}

TEST(ProgramText, a_box_may_move_from_an_offset) {
  Program program = parsed(kSmallProgram);
  program.supersteps[0].exchange[0].region.dims = {
      {0,  1, 3, 2},
      {-1, 2, 0, 3}
  };
  const std::string text = print(program);
  EXPECT_NE(text.find("send x [1+g0*3:2, 2:3] to"), std::string::npos) << text;
  EXPECT_EQ(parsed(text).supersteps[0].exchange, program.supersteps[0].exchange);
}

TEST(ProgramText, errors_say_the_line_and_what_must_stand_there) {
  const auto error = [](std::string_view text) { return parse_program(text).error().message; };
  EXPECT_EQ(error(replaced("read w", "read v")),
            "line 14: 'v' stands where a variable of this program must");
  EXPECT_EQ(error(replaced("target test", "target tests")),
            "line 2: target 'tests' is not known, must be one of c600, gc200, bow, test, c600x2, "
            "c600x4, c600x8, pod4, pod16, bow-pod4, bow-pod16, testx2, testx4");
  EXPECT_EQ(error(replaced("x: f32[4,6]", "x: f33[4,6]")),
            "line 3: 'f33' stands where an element type must");
  EXPECT_EQ(error(replaced("[4,6] at 1", "[4,6] at -1")), "line 3: -1 stands where a tile must");
  EXPECT_EQ(error(replaced("[4,6] at 1", "[4,6,] at 1")),
            "line 3: ']' stands where an integer must");
  EXPECT_EQ(error(replaced("read x [g0*2:2, *]", "read x [g0*2:2, *, *]")),
            "line 13: '*' stands where ] behind the 2 dimensions of [4,6] must");
  EXPECT_EQ(error(replaced("activation y", "activation x")),
            "line 5: variable 'x' stands here once more, must be unique");
  EXPECT_EQ(error(std::string(kSmallProgram) + "}"),
            "line 24: '}' stands where the end of the "
            "text must");
  EXPECT_EQ(error("program \"small"), "line 1: a quoted name does not end, must");
}

TEST(ProgramText, a_text_cut_off_anywhere_is_an_error) {
  const std::string text(kSmallProgram.substr(0, kSmallProgram.size() - 1));
  for (size_t size = 0; size < text.size(); ++size)
    EXPECT_FALSE(parse_program(text.substr(0, size)).ok()) << size;
}

}  // namespace
}  // namespace tessera
