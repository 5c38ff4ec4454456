// SPDX-License-Identifier: Apache-2.0
// attention, pack and unpack on the reference interpreter, with values worked by hand.
#include <cmath>

#include "tests/ir/run.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// One sequence of three tokens, hidden size 1: q is 0, so visible keys have equal weights and the
// answer is the mean of the visible values 1, 10, 100.
Values means(const std::string& mask, const std::string& mask_type, const Values& mask_values) {
  std::vector<Values> inputs = {
      {0, 0,  0  },
      {5, 6,  7  },
      {1, 10, 100}
  };
  std::string extra, operand;
  if (mask != "none") {
    inputs.push_back(mask_values);
    extra = ", %m: " + mask_type;
    operand = ", %m";
  }
  return run("graph @f(%q: f32[1,3,1], %k: f32[1,3,1], %v: f32[1,3,1]" + extra +
                 ") { %y = attention %q, %k, %v" + operand + " {heads=1 scale=1 mask=\"" + mask +
                 "\"} : f32[1,3,1] return %y }",
             inputs);
}

TEST(Attention, without_a_mask_every_query_sees_every_key) {
  EXPECT_THAT(means("none", "", {}), near({37, 37, 37}, 1e-5));
}

TEST(Attention, keys_are_visible_where_the_mask_is_not_zero) {
  EXPECT_THAT(means("keys", "i32[1,3]", {1, 0, 7}), near({50.5, 50.5, 50.5}, 1e-5));
}

TEST(Attention, segments_see_themselves_alone_and_segment_zero_sees_nothing) {
  EXPECT_THAT(means("segments", "i32[1,3]", {2, 2, 5}), near({5.5, 5.5, 100}, 1e-5));
  EXPECT_THAT(means("segments", "i32[1,3]", {1, 0, 1}), near({50.5, 0, 50.5}, 1e-5));
}

TEST(Attention, lengths_hide_the_keys_beyond_them) {
  EXPECT_THAT(means("lengths", "i32[1]", {2}), near({5.5, 5.5, 5.5}, 1e-5));
  EXPECT_THAT(means("lengths", "i32[1,1]", {1}), near({1, 1, 1}, 1e-5));
}

TEST(Attention, a_query_that_sees_no_key_gives_zero_and_not_nan) {
  EXPECT_THAT(means("keys", "i32[1,3]", {0, 0, 0}), ElementsAre(0, 0, 0));
  EXPECT_THAT(means("lengths", "i32[1]", {0}), ElementsAre(0, 0, 0));
}

TEST(Attention, a_bias_is_added_after_the_scale_and_stretched_over_ones) {
  const double ln3 = std::log(3.0);
  // Weights 1:3:0 for every query.
  EXPECT_THAT(means("bias", "f32[1,1,1,3]", {0, ln3, -10000}), near({7.75, 7.75, 7.75}, 1e-5));
  // One number a query changes nothing: softmax does not see what all scores share.
  EXPECT_THAT(means("bias", "f32[1,1,3,1]", {0, 5, -7}), near({37, 37, 37}, 1e-5));
}

TEST(Attention, a_guard_gives_zero_where_weights_are_nan) {
  const double never = -INFINITY;
  EXPECT_THAT(means("bias+guard", "f32[1,1,3,3]", {0, 0, 0, never, never, never, 0, never, never}),
              near({37, 0, 1}, 1e-5));
}

TEST(Attention, scores_are_dot_products_of_a_head_times_the_scale) {
  // Two heads of depth 1, one query, two keys. Head 0 scores 2*(1,0)*0.5, head 1 scores 0.
  const double w = std::exp(1.0) / (std::exp(1.0) + 1);
  EXPECT_THAT(run("graph @f(%q: f32[1,1,2], %k: f32[1,2,2], %v: f32[1,2,2]) {"
                  " %y = attention %q, %k, %v {heads=2 scale=0.5 mask=\"none\"} : f32[1,1,2]"
                  " return %y }",
                  {
                      {2, 0},
                      {1, 9, 0, -9},
                      {10, 100, 0, 200}
  }),
              near({10 * w, 150}, 1e-5));
}

TEST(Attention, sequences_of_a_batch_do_not_see_each_other) {
  EXPECT_THAT(run("graph @f(%q: f32[2,1,1], %k: f32[2,2,1], %v: f32[2,2,1], %m: i32[2,2]) {"
                  " %y = attention %q, %k, %v, %m {heads=1 scale=1 mask=\"keys\"} : f32[2,1,1]"
                  " return %y }",
                  {
                      {0, 0},
                      {0, 0, 0, 0},
                      {1, 2, 30, 40},
                      {1, 1, 0, 1}
  }),
              near({1.5, 40}, 1e-6));
}

// Requests of lengths 2, 1 and 3, each padded to 3, in two rows of 4: the third continues on the
// second row.
constexpr const char* kPack =
    "graph @f(%x: i32[3,3], %n: i32[3,1]) {"
    " %y = pack %x, %n {rows=2 row_length=4} : i32[2,4] return %y }";
constexpr const char* kUnpack =
    "graph @f(%x: i32[2,4], %n: i32[3,1]) {"
    " %y = unpack %x, %n {segment_max_size=3} : i32[3,3] return %y }";

TEST(Pack, segments_lie_end_to_end_across_rows_and_the_rest_is_zero) {
  EXPECT_THAT(run(kPack,
                  {
                      {11, 12, 99, 21, 99, 99, 31, 32, 33},
                      {2, 1, 3}
  }),
              ElementsAre(11, 12, 21, 31, 32, 33, 0, 0));
}

TEST(Unpack, each_segment_has_its_row_and_the_rest_is_zero) {
  EXPECT_THAT(run(kUnpack,
                  {
                      {11, 12, 21, 31, 32, 33, 98, 99},
                      {2, 1, 3}
  }),
              ElementsAre(11, 12, 0, 21, 0, 0, 31, 32, 33));
}

TEST(Pack, tokens_of_several_numbers_stay_whole) {
  EXPECT_THAT(run("graph @f(%x: f32[2,2,2], %n: i32[2,1]) {"
                  " %y = pack %x, %n {rows=1 row_length=3} : f32[1,3,2] return %y }",
                  {
                      {1, 2, 3, 4, 5, 6, 7, 8},
                      {1, 2}
  }),
              ElementsAre(1, 2, 5, 6, 7, 8));
}

TEST(Pack, a_segment_of_length_zero_takes_no_place) {
  EXPECT_THAT(run(kPack,
                  {
                      {11, 12, 13, 99, 99, 99, 31, 32, 99},
                      {3, 0, 2}
  }),
              ElementsAre(11, 12, 13, 31, 32, 0, 0, 0));
}

TEST(Pack, unpack_undoes_it) {
  EXPECT_THAT(run("graph @f(%x: i32[3,3], %n: i32[3,1]) {"
                  " %p = pack %x, %n {rows=2 row_length=4} : i32[2,4]"
                  " %y = unpack %p, %n {segment_max_size=3} : i32[3,3] return %y }",
                  {
                      {1, 2, 3, 4, 0, 0, 5, 6, 7},
                      {3, 1, 3}
  }),
              ElementsAre(1, 2, 3, 4, 0, 0, 5, 6, 7));
}

TEST(Pack, lengths_that_do_not_fit_are_errors) {
  const Values x(9, 1);
  EXPECT_EQ(run_error(kPack,
                      {
                          x, {3, 3, 3}
  }),
            "y: pack: segment 2 is tokens 6 to 9, must be within the 8 tokens of the packed rows");
  EXPECT_EQ(run_error(kPack,
                      {
                          x, {1, 4, 0}
  }),
            "y: pack: length of segment 1 is 4, must be within 0 .. 3");
  EXPECT_EQ(run_error(kPack,
                      {
                          x, {1, -1, 0}
  }),
            "y: pack: length of segment 1 is -1, must be within 0 .. 3");
}

TEST(Pack, starts_put_segments_anywhere) {
  EXPECT_THAT(run("graph @f(%x: i32[3,2], %n: i32[3,2]) {"
                  " %y = pack %x, %n {rows=2 row_length=3} : i32[2,3] return %y }",
                  {
                      {11, 12, 21, 99, 31, 32},
                      {3,  2,  0,  1,  1,  2 }
  }),
              ElementsAre(21, 31, 32, 11, 12, 0));
}

TEST(Unpack, starts_take_segments_from_anywhere) {
  const std::string text =
      "graph @f(%x: i32[2,3], %n: i32[3,2]) {"
      " %y = unpack %x, %n {segment_max_size=2} : i32[3,2] return %y }";
  EXPECT_THAT(run(text,
                  {
                      {21, 31, 32, 11, 12, 0},
                      {3,  2,  0,  1,  5,  0}
  }),
              ElementsAre(11, 12, 21, 0, 0, 0));
  const Values x(6, 1);
  EXPECT_THAT(run_error(text,
                        {
                            x, {5, 2, 0, 0, 0, 0}
  }),
              HasSubstr("segment 0 is tokens 5 to 7"));
  EXPECT_THAT(run_error(text,
                        {
                            x, {0, 0, -1, 1, 0, 0}
  }),
              HasSubstr("segment 1 is tokens -1 to 0"));
}

TEST(Unpack, a_segment_longer_than_its_row_gives_its_first_tokens) {
  EXPECT_THAT(run("graph @f(%x: i32[2,3], %n: i32[2,1]) {"
                  " %y = unpack %x, %n {segment_max_size=1} : i32[2,1] return %y }",
                  {
                      {1, 2, 3, 4, 5, 6},
                      {4, 2}
  }),
              ElementsAre(1, 5));
}

TEST(Unpack, lengths_that_do_not_fit_are_errors) {
  const Values x(8, 1);
  EXPECT_THAT(run_error(kUnpack,
                        {
                            x, {3, 3, 3}
  }),
              HasSubstr("segment 2 is tokens 6 to 9"));
  EXPECT_THAT(run_error(kUnpack,
                        {
                            x, {-1, 0, 0}
  }),
              HasSubstr("length of segment 0 is -1"));
}

}  // namespace
}  // namespace tessera
