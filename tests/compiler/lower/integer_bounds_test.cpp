// SPDX-License-Identifier: Apache-2.0
// No whole number leaves 32 bits unseen: inputs have bounds, casts are looked at, the rest is
// refused.
#include "compiler/lower/integer_bounds.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/text.h"
#include "program/target.h"
#include "tests/helpers/on_machine.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Graph parsed(const std::string& text) {
  Expected<Graph> graph = parse_graph(text);
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  return graph.ok() ? graph.take() : Graph();
}

// "ids: 2047 for %h", and for casts "%c: 2147483647".
std::vector<std::string> bounds_of(const std::string& text) {
  const Graph graph = parsed(text);
  const auto bounds = find_integer_bounds(graph);
  if (!bounds.ok()) return {bounds.error().message};
  std::vector<std::string> lines;
  for (const auto& [name, bound] : bounds->inputs)
    lines.push_back(fmt::format("{}: {} for %{}", name, bound.most, bound.node));
  for (const auto& [node, bound] : bounds->casts)
    lines.push_back(fmt::format("%{}: {}", node->name, bound.most));
  return lines;
}

constexpr const char* kHash = R"(
    %p = constant {value=1000003} : i32[2,8]
    %n = constant {value=97} : i32[2,8]
    %h = mul %ids, %p : i32[2,8]
    %q = div %h, %n : i32[2,8]
    %m = mul %q, %n : i32[2,8]
    %r = sub %h, %m : i32[2,8]
)";

TEST(IntegerBounds, a_hash_bounds_its_input_and_what_is_left_over_nothing) {
  EXPECT_THAT(bounds_of(std::string("graph @f(%ids: i32[2,8]) {") + kHash + "return %r\n}"),
              ElementsAre("ids: 2047 for %h"));
}

TEST(IntegerBounds, a_proved_range_that_leaves_32_bits_is_refused) {
  EXPECT_THAT(bounds_of(std::string("graph @f(%ids: i32[2,8], %t: f32[30522,4]) {") + kHash +
                        "%e = gather %t, %ids {axis=0} : f32[2,8,4]\nreturn %r, %e\n}"),
              ElementsAre(HasSubstr("node 'h' (mul): computes whole numbers in 0..30521091563")));
}

TEST(IntegerBounds, positions_counted_from_a_mask_leave_room_for_every_mask) {
  EXPECT_THAT(bounds_of(R"(graph @f(%mask: i32[2,512]) {
    %one = constant {value=1} : i32[2,512]
    %c = cumsum %mask {axis=1} : i32[2,512]
    %m = mul %c, %mask : i32[2,512]
    %p = add %m, %one : i32[2,512]
    return %p
  })"),
              ElementsAre("mask: 2047 for %m"));
}

TEST(IntegerBounds, masks_and_positions_that_are_proved_need_none) {
  EXPECT_THAT(bounds_of(R"(graph @f(%ids: i32[2,512], %mask: i32[2,512]) {
    %pad = constant {value=1} : i32[2,512]
    %is = equal %ids, %pad : bool[2,512]
    %no = not %is : bool[2,512]
    %m = cast %no {to="i32"} : i32[2,512]
    %c = cumsum %m {axis=1} : i32[2,512]
    %k = mul %c, %m : i32[2,512]
    %p = add %k, %pad : i32[2,512]
    %f = cast %mask {to="f32"} : f32[2,512]
    return %p, %f
  })"),
              IsEmpty());
}

// -2^31 has no negative: an int64 of the model has one.
TEST(IntegerBounds, what_is_negated_is_not_the_least_of_32_bits) {
  const std::string given = "graph @f(%n: i32[4]) {\n";
  EXPECT_THAT(bounds_of(given + "%y = abs %n : i32[4]\nreturn %y\n}"),
              ElementsAre("n: 2147483647 for %y"));
  EXPECT_THAT(bounds_of(given + "%c = constant {value=-1} : i32[4]\n%y = mul %n, %c : i32[4]\n" +
                        "return %y\n}"),
              ElementsAre("n: 2147483647 for %y"));
  EXPECT_THAT(bounds_of(given + "%c = constant {value=0} : i32[4]\n%y = max %n, %c : i32[4]\n" +
                        "return %y\n}"),
              IsEmpty());
}

TEST(IntegerBounds, a_power_and_a_sum_bound_their_input) {
  EXPECT_THAT(bounds_of(R"(graph @f(%x: i32[2,8]) {
    %three = constant {value=3} : i32[2,8]
    %p = pow %x, %three : i32[2,8]
    return %p
  })"),
              ElementsAre("x: 1023 for %p"));
  EXPECT_THAT(bounds_of(R"(graph @f(%x: i32[2,8]) {
    %s = reduce_sum %x {axes=[1]} : i32[2]
    return %s
  })"),
              ElementsAre("x: 268435455 for %s"));
}

TEST(IntegerBounds, seconds_since_1970_may_be_subtracted) {
  const Graph graph = parsed(R"(graph @f(%t: i32[2,8]) {
    %first = slice %t {size=[2,1], start=[0,0], step=[1,1]} : i32[2,1]
    %b = broadcast %first {shape=[2,8]} : i32[2,8]
    %d = sub %t, %b : i32[2,8]
    return %d
  })");
  const auto bounds = find_integer_bounds(graph);
  ASSERT_TRUE(bounds.ok()) << bounds.error().message;
  const IntegerBound& t = bounds->inputs.at("t");
  EXPECT_EQ(t.least, -65536);
  EXPECT_EQ(t.most, 2147418111);
}

TEST(IntegerBounds, a_difference_that_is_doubled_has_as_much_room_below_0_as_above) {
  const Graph graph = parsed(R"(graph @f(%a: i32[8], %b: i32[8]) {
    %d = sub %a, %b : i32[8]
    %s = add %d, %d : i32[8]
    return %s
  })");
  const auto bounds = find_integer_bounds(graph);
  ASSERT_TRUE(bounds.ok()) << bounds.error().message;
  for (const char* name : {"a", "b"}) {
    EXPECT_EQ(bounds->inputs.at(name).most, 536870911);
    EXPECT_EQ(bounds->inputs.at(name).least, -536870911);
  }
}

TEST(IntegerBounds, an_input_of_8_bits_is_as_small_as_it_is_declared) {
  const Graph graph = parsed(R"(graph @f(%x: i32[2,8]) {
    %three = constant {value=3} : i32[2,8]
    %p = pow %x, %three : i32[2,8]
    return %p
  })");
  const auto bounds = find_integer_bounds(graph, {
                                                     {"x", {-128, 127}}
  });
  ASSERT_TRUE(bounds.ok()) << bounds.error().message;
  EXPECT_EQ(bounds->inputs.at("x").most, 127);
  EXPECT_EQ(bounds->inputs.at("x").least, -128);
  EXPECT_EQ(bounds->inputs.at("x").node, "");
}

TEST(IntegerBounds, each_input_has_a_bound_of_its_own) {
  EXPECT_THAT(bounds_of(R"(graph @f(%a: i32[2,8], %b: i32[2,8]) {
    %s = mul %a, %a : i32[2,8]
    %m = max %b, %s : i32[2,8]
    return %m
  })"),
              ElementsAre("a: 32767 for %s"));
}

constexpr const char* kCast = R"(graph @f(%x: f32[2,8]) {
    %i = cast %x {to="i32"} : i32[2,8]
    %one = constant {value=1} : i32[2,8]
    %y = add %i, %one : i32[2,8]
    return %y
  })";

TEST(IntegerBounds, a_cast_that_nothing_bounds_is_looked_at) {
  EXPECT_THAT(bounds_of(kCast), ElementsAre("%i: 1073741823"));
  EXPECT_THAT(bounds_of(R"(graph @f(%x: f32[2,8]) {
    %t = tanh %x : f32[2,8]
    %i = cast %t {to="i32"} : i32[2,8]
    return %i
  })"),
              IsEmpty());
}

TEST(IntegerBounds, a_cast_beyond_32_bits_ends_the_run_by_name) {
  const Graph graph = parsed(kCast);
  const auto run = [&](double value) {
    Array x{graph.inputs[0]->type, std::vector<double>(16, 3)};
    x.data[11] = value;
    return e2e::run_on_machine(graph,
                               {
                                   {"x", x}
    },
                               *target_preset("test"));
  };
  const auto fine = run(-7);
  ASSERT_TRUE(fine.ok()) << fine.error().message;
  EXPECT_EQ((*fine)[0].data[11], -6);
  const auto beyond = run(-3e9);
  ASSERT_FALSE(beyond.ok());
  EXPECT_THAT(beyond.error().message, HasSubstr("(cast): makes -2147483648 or beyond, must be in "
                                                "-1073741823..1073741823"));
}

}  // namespace
}  // namespace tessera
