// SPDX-License-Identifier: Apache-2.0
// Where padding changes no answer: sums, neighbours, rows, places.
#include "passes/paddable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/passes/paddable_proof.h"

namespace tessera {
namespace {

using test::kWideMask;
using test::proof_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Paddable, a_token_by_itself_may_be_padded) {
  const Paddable proof = proof_of("  %y = tanh %x : f32[2,4,3]\n", "%y");
  EXPECT_TRUE(proof.by_tokens) << proof.why_not;
  EXPECT_THAT(proof.per_request, IsEmpty());
}

TEST(Paddable, a_mean_over_padding_takes_whole_rows) {
  const Paddable proof = proof_of("  %y = reduce_sum %x {axes=[1]} : f32[2,3]\n", "%y");
  EXPECT_FALSE(proof.by_tokens);
  EXPECT_TRUE(proof.by_rows);
  EXPECT_THAT(proof.why_not, HasSubstr("node 'y' (reduce_sum): reduces the sequence axis, where "
                                       "padding would be part of the answer"));
  EXPECT_THAT(proof.per_request, ElementsAre("y"));
}

TEST(Paddable, a_mean_under_the_mask_may_be_padded) {
  const Paddable proof = proof_of(kWideMask + R"(  %z = mul %x, %wide : f32[2,4,3]
  %sum = reduce_sum %z {axes=[1]} : f32[2,3]
  %count = reduce_sum %wide {axes=[1]} : f32[2,3]
  %y = div %sum, %count : f32[2,3]
)",
                                  "%x, %y");
  EXPECT_TRUE(proof.by_tokens) << proof.why_not;
  EXPECT_THAT(proof.per_request, ElementsAre("y"));
}

TEST(Paddable, a_mean_under_what_is_not_a_mask_is_not) {
  const Paddable proof = proof_of(kWideMask + R"(  %two = constant {value=2} : f32[2,4,3]
  %other = sub %two, %wide : f32[2,4,3]
  %z = mul %x, %other : f32[2,4,3]
  %y = reduce_sum %z {axes=[1]} : f32[2,3]
)",
                                  "%y");
  EXPECT_FALSE(proof.by_tokens);
}

// As a convolution sees them, between zeros.
TEST(Paddable, neighbours_are_those_of_the_request_where_padding_is_zero) {
  const auto of = [](const std::string& tokens, const std::string& start, const std::string& step) {
    return proof_of(kWideMask + R"(  %z = mul %x, %wide : f32[2,4,3]
  %zero = constant {value=0} : f32[2,4,3]
  %around = concat %zero, )" +
                        tokens +
                        R"(, %zero {axis=1} : f32[2,12,3]
  %y = slice %around {size=[2,4,3], start=[0,)" +
                        start + ",0], step=[1," + step + R"(,1]} : f32[2,4,3]
)",
                    "%y");
  };
  for (const char* start : {"0", "3", "4", "5", "8"})
    EXPECT_TRUE(of("%z", start, "1").by_tokens) << of("%z", start, "1").why_not;
  EXPECT_FALSE(of("%z", "3", "2").by_tokens);
  EXPECT_FALSE(of("%x", "3", "1").by_tokens);
}

// The first cell behind a request then holds its last token, and a sum over all cells counts it.
TEST(Paddable, neighbours_may_stand_behind_a_request) {
  const auto sum_of = [](const std::string& start) {
    return proof_of(kWideMask + R"(  %z = mul %x, %wide : f32[2,4,3]
  %zero = constant {value=0} : f32[2,1,3]
  %around = concat %zero, %z, %zero {axis=1} : f32[2,6,3]
  %n = slice %around {size=[2,4,3], start=[0,)" +
                        start + R"(,0], step=[1,1,1]} : f32[2,4,3]
  %y = reduce_sum %n {axes=[1]} : f32[2,3]
)",
                    "%y");
  };
  EXPECT_FALSE(sum_of("0").by_tokens);
}

TEST(Paddable, zero_times_what_may_be_infinite_is_not_zero) {
  const Paddable proof = proof_of(kWideMask + R"(  %inverse = div %wide, %x : f32[2,4,3]
  %t = tanh %x : f32[2,4,3]
  %log = log %t : f32[2,4,3]
  %z = mul %log, %wide : f32[2,4,3]
  %y = reduce_sum %z {axes=[1]} : f32[2,3]
)",
                                  "%y");
  EXPECT_FALSE(proof.by_tokens);
}

TEST(Paddable, zero_times_a_sum_that_f32_does_not_hold_is_not_zero) {
  const auto with = [](const std::string& low) {
    return proof_of(kWideMask + "  %zero = constant {value=0} : f32[2,4,3]\n" +
                        "  %low = constant {value=" + low + "} : f32[2,4,3]\n" +
                        R"(  %some = less %x, %zero : bool[2,4,3]
  %h = select %some, %low, %zero : f32[2,4,3]
  %twice = add %h, %h : f32[2,4,3]
  %z = mul %twice, %wide : f32[2,4,3]
  %y = reduce_sum %z {axes=[1]} : f32[2,3]
)",
                    "%y");
  };
  EXPECT_FALSE(with("-3e38").by_tokens);
  EXPECT_TRUE(with("-1e38").by_tokens) << with("-1e38").why_not;
}

TEST(Paddable, a_maximum_leaves_out_what_the_mask_makes_low) {
  const auto with = [&](const std::string& low) {
    return proof_of(kWideMask + "  %zero = constant {value=0} : f32[2,4,3]\n" +
                        "  %none = equal %wide, %zero : bool[2,4,3]\n" +
                        "  %low = constant {value=" + low + "} : f32[2,4,3]\n" +
                        "  %z = select %none, %low, %x : f32[2,4,3]\n" +
                        "  %y = reduce_max %z {axes=[1]} : f32[2,3]\n",
                    "%y");
  };
  EXPECT_TRUE(with("-1e9").by_tokens);
  EXPECT_FALSE(with("0").by_tokens);
  EXPECT_FALSE(with("-100").by_tokens);
}

TEST(Paddable, zeros_under_the_mask_change_no_maximum_of_what_is_not_negative) {
  const std::string positive = "  %a = tanh %x : f32[2,4,3]\n  %p = abs %a : f32[2,4,3]\n";
  const std::string most = R"(  %z = mul %p, %wide : f32[2,4,3]
  %y = reduce_max %z {axes=[1]} : f32[2,3]
)";
  const Paddable proof = proof_of(kWideMask + positive + most, "%y");
  EXPECT_TRUE(proof.by_tokens) << proof.why_not;
  EXPECT_THAT(proof.per_request, ElementsAre("y"));
  const Paddable of_any = proof_of(kWideMask + "  %p = tanh %x : f32[2,4,3]\n" + most, "%y");
  EXPECT_FALSE(of_any.by_tokens);
  EXPECT_THAT(of_any.why_not, HasSubstr("reduces the sequence axis"));
}

TEST(Paddable, a_maximum_leaves_out_what_a_mask_was_added_to_where_a_norm_bounds_it) {
  const auto of = [&](const std::string& x) {
    return proof_of(kWideMask + R"(  %one = constant {value=1} : f32[2,4,3]
  %h = sub %one, %wide : f32[2,4,3]
  %low = constant {value=-1e9} : f32[2,4,3]
  %p = mul %h, %low : f32[2,4,3]
  %w = constant {value=[1,2,3,4,5,6,7,8,9]} : f32[3,3]
  %product = matmul %x, %w : f32[2,4,3]
  %any = gelu %product {form="erf"} : f32[2,4,3]
  %g = constant {value=[1,2,3]} : f32[3]
  %n = layer_norm %any, %g, %g {eps=1e-5} : f32[2,4,3]
  %z = add %)" + x + R"(, %p : f32[2,4,3]
  %y = reduce_max %z {axes=[1]} : f32[2,3]
)",
                    "%y");
  };
  EXPECT_TRUE(of("n").by_tokens) << of("n").why_not;
  EXPECT_TRUE(of("product").by_tokens) << of("product").why_not;  // of a table and weights
  EXPECT_FALSE(of("any").by_tokens);
}

TEST(Paddable, rows_that_see_each_other_are_of_one_request) {
  const Paddable proof = proof_of(R"(  %sum = reduce_sum %x {axes=[0]} : f32[4,3]
  %back = broadcast %sum {shape=[2,4,3]} : f32[2,4,3]
  %y = add %x, %back : f32[2,4,3]
)",
                                  "%y");
  EXPECT_FALSE(proof.by_rows);
  EXPECT_THAT(proof.why_not, HasSubstr("reduces the batch axis, which would mix requests of "
                                       "different rows"));
}

TEST(Paddable, a_number_must_not_depend_on_the_row) {
  const Paddable by_place = proof_of(R"(  %c = constant {value=[1,2,3,4]} : f32[1,4,1]
  %wide = broadcast %c {shape=[2,4,3]} : f32[2,4,3]
  %y = add %x, %wide : f32[2,4,3]
)",
                                     "%y");
  EXPECT_TRUE(by_place.by_tokens) << by_place.why_not;
  const Paddable by_row = proof_of(R"(  %c = constant {value=[1,2]} : f32[2,1,1]
  %wide = broadcast %c {shape=[2,4,3]} : f32[2,4,3]
  %y = add %x, %wide : f32[2,4,3]
)",
                                   "%y");
  EXPECT_FALSE(by_row.by_rows);
  EXPECT_THAT(by_row.why_not, HasSubstr("constants that vary along the batch axis"));
}

TEST(Paddable, the_last_token_is_another_where_a_row_is_padded) {
  const Paddable proof =
      proof_of("  %y = slice %x {size=[2,1,3], start=[0,3,0], step=[1,1,1]} : f32[2,1,3]\n", "%y");
  EXPECT_FALSE(proof.by_tokens);
  EXPECT_TRUE(proof.by_rows);
  EXPECT_TRUE(
      proof_of("  %y = slice %x {size=[2,1,3], start=[0,0,0], step=[1,1,1]} : f32[2,1,3]\n", "%y")
          .by_tokens);
}

TEST(Paddable, a_number_of_the_length_takes_whole_rows) {
  const Paddable proof = proof_of("  %y = tanh %x : f32[2,4,3]\n", "%y", "node 'n': a number");
  EXPECT_FALSE(proof.by_tokens);
  EXPECT_TRUE(proof.by_rows);
  EXPECT_EQ(proof.why_not, "node 'n': a number");
}

// A request's first token by places: there is one place for each token of the row.
TEST(Paddable, axes_as_long_as_the_row_are_summed_for_one_length_alone) {
  const std::string lines =
      R"(  %first = slice %x {size=[2,1,3], start=[0,0,0], step=[1,1,1]} : f32[2,1,3]
  %row = reshape %first {shape=[2,3,1]} : f32[2,3,1]
  %wide = broadcast %row {shape=[2,3,4]} : f32[2,3,4]
  %places = constant {value=[0,1,2,3]} : f32[1,1,4]
  %each = broadcast %places {shape=[2,3,4]} : f32[2,3,4]
  %by_place = mul %wide, %each : f32[2,3,4]
  %sum = reduce_sum %by_place {axes=[2]} : f32[2,3]
)";
  const auto axes_of = [&](const std::string& output) {
    const auto graph = parse_graph(
        R"(graph @f(%ids: i32[2,4], %mask: i32[2,4]) {
  %table = constant {value=[1,2,3,4,5,6]} : f32[2,3]
  %x = gather %table, %ids {axis=0} : f32[2,4,3]
)" + lines +
        "  return " + output + "\n}\n");
    EXPECT_TRUE(graph.ok()) << graph.error().message;
    const auto axes = find_token_axes(
        *graph,
        {.rows = 2, .row_length = 4, .layout = Layout::Padded, .only_rows_are_so_long = true});
    return axes.ok() ? std::string() : axes.error().message;
  };
  EXPECT_THAT(axes_of("%sum"), HasSubstr("node 'sum' (reduce_sum): computes along an axis that is "
                                         "as long as the row and holds no tokens"));
}

// Where axes have one size, only the graph tells tokens from features.
TEST(Paddable, features_as_many_as_tokens_are_not_tokens) {
  const Paddable proof = proof_of(R"(  %w = constant {value=[1,2,3,4,5,6,7,8,9,10,11,12]} : f32[3,4]
  %first = slice %x {size=[2,1,3], start=[0,0,0], step=[1,1,1]} : f32[2,1,3]
  %row = reshape %first {shape=[2,3]} : f32[2,3]
  %y = matmul %row, %w : f32[2,4]
  %turned = transpose %x {perm=[0,2,1]} : f32[2,3,4]
)",
                                  "%y, %turned");
  EXPECT_FALSE(proof.by_tokens) << "an output that has tokens along its last axis cannot be cut";
  EXPECT_TRUE(proof.by_rows);
}

// The token of the first largest number, as import writes ArgMax of %value: the model's own form
// runs, so padding must not hold a larger one.
Paddable proof_of_pick(const std::string& value) {
  return proof_of(
      "  %m = cast %mask {to=\"f32\"} : f32[2,4]\n"
      "  %low = constant {value=[-1e9]} : f32[]\n" +
          value + R"(
  %top = reduce_max %value {axes=[1]} : i32[2]
  %top1 = reshape %top {shape=[2,1]} : i32[2,1]
  %top4 = broadcast %top1 {shape=[2,4]} : i32[2,4]
  %below = less %value, %top4 : bool[2,4]
  %left_out = constant {value=-1} : i32[2,4]
  %number = constant {value=[3,2,1,0,3,2,1,0]} : i32[2,4]
  %found = select %below, %left_out, %number : i32[2,4]
  %nearest = reduce_max %found {axes=[1]} : i32[2]
  %last = constant {value=3} : i32[2]
  %place = sub %last, %nearest : i32[2]
  %starts = constant {value=[0,4]} : i32[2]
  %index = add %place, %starts : i32[2]
  %line = reshape %x {shape=[8,3]} : f32[8,3]
  %y = gather %line, %index {axis=0} : f32[2,3]
)",
      "%y");
}

TEST(Paddable, the_token_of_the_largest_number_is_one_of_a_request_where_padding_holds_no_larger) {
  const auto of_ids = [](const std::string& line) {
    return proof_of_pick("  %one = constant {value=1} : i32[2,4]\n  %value = " + line +
                         " : i32[2,4]\n");
  };
  EXPECT_TRUE(of_ids("add %ids, %one").by_tokens) << of_ids("add %ids, %one").why_not;
  EXPECT_FALSE(of_ids("sub %one, %ids").by_tokens);
  EXPECT_TRUE(of_ids("mul %ids, %ids").by_tokens);
  EXPECT_FALSE(of_ids("cumsum %ids {axis=1}").by_tokens);
}

}  // namespace
}  // namespace tessera
