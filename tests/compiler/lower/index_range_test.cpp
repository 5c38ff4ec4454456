// SPDX-License-Identifier: Apache-2.0
// The proofs about indices that a graph computes, and the fate of those that have none.
#include "compiler/lower/index_range.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compiler/lower/lower.h"
#include "ir/text.h"
#include "program/target.h"
#include "tests/helpers/on_machine.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

Graph parsed(const std::string& text) {
  Expected<Graph> graph = parse_graph(text);
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  return graph.ok() ? graph.take() : Graph();
}

// "low..high" of the output.
std::string range_of(const std::string& text) {
  const Graph graph = parsed(text);
  const auto range = IndexRanges(graph).of(graph.outputs[0].node);
  if (!range) return "not known";
  return std::to_string(static_cast<int64_t>(range->low)) + ".." +
         std::to_string(static_cast<int64_t>(range->high));
}

TEST(IndexRange, positions_that_count_tokens_are_at_most_as_many) {
  EXPECT_EQ(range_of(R"(graph @f(%ids: i32[2,8]) {
    %pad = constant {value=1} : i32[2,8]
    %is_pad = equal %ids, %pad : bool[2,8]
    %is_token = not %is_pad : bool[2,8]
    %m = cast %is_token {to="i32"} : i32[2,8]
    %count = cumsum %m {axis=1} : i32[2,8]
    %masked = mul %count, %m : i32[2,8]
    %place = add %masked, %pad : i32[2,8]
    return %place
  })"),
            "1..9");
}

TEST(IndexRange, inputs_are_known_where_the_runner_checks_them) {
  const char* text = R"(graph @f(%t: f32[30,4], %i: i32[6], %j: i32[6]) {
    %looked = gather %t, %i {axis=0} : f32[6,4]
    %two = constant {value=2} : i32[6]
    %known = sub %two, %i : i32[6]
    %sum = add %i, %j : i32[6]
    return OUTPUT, %looked
  })";
  const auto with = [&](const std::string& output) {
    std::string graph = text;
    return graph.replace(graph.find("OUTPUT"), 6, output);
  };
  EXPECT_EQ(range_of(with("%known")), "-27..2");
  EXPECT_EQ(range_of(with("%sum")), "not known");
}

TEST(IndexRange, arithmetic_keeps_ends) {
  EXPECT_EQ(range_of(R"(graph @f(%b: bool[4], %c: bool[4]) {
    %i = cast %b {to="i32"} : i32[4]
    %j = cast %c {to="i32"} : i32[4]
    %four = constant {value=4} : i32[4]
    %list = constant {value=[-3,0,7,2]} : i32[4]
    %a = mul %i, %list : i32[4]
    %d = select %b, %a, %four : i32[4]
    %m = max %d, %j : i32[4]
    %s = reduce_sum %m {axes=[0]} : i32[]
    return %s
  })"),
            "0..28");
}

TEST(IndexRange, floats_beyond_what_they_count_are_not_known) {
  EXPECT_EQ(range_of(R"(graph @f(%b: bool[4]) {
    %x = cast %b {to="f32"} : f32[4]
    %large = constant {value=3e7} : f32[4]
    %y = mul %x, %large : f32[4]
    return %y
  })"),
            "not known");
}

bool belongs(const std::string& text) {
  const Graph graph = parsed(text);
  return belong_to_cells(graph.outputs[0].node);
}

TEST(IndexRange, an_index_belongs_to_a_cell_where_nothing_moved_it) {
  EXPECT_TRUE(belongs(R"(graph @f(%ids: f32[2,8]) {
    %i = cast %ids {to="i32"} : i32[2,8]
    %one = constant {value=1} : i32[]
    %ones = broadcast %one {shape=[2,8]} : i32[2,8]
    %n = add %i, %ones : i32[2,8]
    %flat = reshape %n {shape=[16]} : i32[16]
    return %flat
  })"));
  EXPECT_FALSE(belongs(R"(graph @f(%ids: i32[4,4]) {
    %turned = transpose %ids {perm=[1,0]} : i32[4,4]
    return %turned
  })"));
  EXPECT_FALSE(belongs(R"(graph @f(%n: i32[2,1]) {
    %all = broadcast %n {shape=[2,8]} : i32[2,8]
    return %all
  })"));
}

constexpr const char* kSum = R"(graph @f(%ids: i32[2,3]) {
  %t = constant {value=[1,2,3,4,5,6,7,8,9,10]} : f32[10]
  %two = constant {value=2} : i32[2,3]
  %place = add %ids, %two : i32[2,3]
  %y = gather %t, %place {axis=0} : f32[2,3]
  return %y
})";

std::string error_on_machine(const std::string& text, std::vector<double> ids,
                             const MachineOptions& options) {
  const Graph graph = parsed(text);
  const std::map<std::string, Array> inputs = {
      {"ids", {graph.inputs[0]->type, std::move(ids)}}
  };
  const auto ran = e2e::run_on_machine(graph, inputs, *target_preset("test"), options);
  return ran.ok() ? "" : ran.error().message;
}

TEST(IndexRange, an_index_past_its_table_ends_the_run_by_name) {
  for (const MachineKind kind : {MachineKind::Direct, MachineKind::Isolated}) {
    for (const int threads : {1, 2}) {
      for (const bool reverse : {false, true}) {
        const MachineOptions options{
            .kind = kind, .threads = threads, .reverse_tiles = reverse, .small_pieces = true};
        EXPECT_EQ(error_on_machine(kSum, {7, -12, 0, 1, 2, -5}, options), "");
        EXPECT_EQ(error_on_machine(kSum, {7, 1, 8, 30, 2, -100}, options),
                  "node 'y' (gather): index 10 at [0,2], must be in -10..9, as its table has 10 "
                  "rows");
        EXPECT_EQ(error_on_machine(kSum, {7, 1, 7, 3, 2, -100}, options),
                  "node 'y' (gather): index -98 at [1,2], must be in -10..9, as its table has 10 "
                  "rows");
      }
    }
  }
}

TEST(IndexRange, only_what_is_not_proved_is_checked) {
  const auto params = [](const std::string& text) {
    const Expected<Lowered> lowered = lower(parsed(text), {.target = *target_preset("test")});
    EXPECT_TRUE(lowered.ok());
    std::vector<std::string> names;
    for (const Superstep& step : lowered->program.supersteps)
      if (step.compute.codelet == "gather")
        for (const Param& param : step.compute.params) names.push_back(param.name);
    return names;
  };
  EXPECT_THAT(params(kSum), testing::ElementsAre("rows", "cells", "shape"));
  EXPECT_THAT(params(R"(graph @f(%t: f32[3,8], %i: i32[6], %b: bool[6]) {
    %n = cast %b {to="i32"} : i32[6]
    %c = constant {value=[0,-3,2]} : i32[3]
    %g = gather %t, %i {axis=0} : f32[6,8]
    %h = gather %t, %n {axis=0} : f32[6,8]
    %k = gather %t, %c {axis=0} : f32[3,8]
    return %g, %h, %k
  })"),
              testing::IsEmpty());
}

TEST(IndexRange, a_constant_index_past_its_table_is_refused_when_compiled) {
  const Expected<Lowered> lowered = lower(parsed(R"(graph @f(%t: f32[3,8]) {
    %c = constant {value=[0,-4,2]} : i32[3]
    %k = gather %t, %c {axis=0} : f32[3,8]
    return %k
  })"),
                                          {.target = *target_preset("test")});
  ASSERT_FALSE(lowered.ok());
  EXPECT_EQ(lowered.error().message,
            "node 'k' (gather): index -4, which is constant, must be in -3..2, as its table has 3 "
            "rows");
}

}  // namespace
}  // namespace tessera
