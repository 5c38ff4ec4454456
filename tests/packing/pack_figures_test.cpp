// SPDX-License-Identifier: Apache-2.0
// The figures of a packing: occupancy, and the picture of a batch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "packing/occupancy.h"
#include "packing/offline.h"
#include "packing/pack.h"
#include "packing/picture.h"
#include "tests/helpers/contracts.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

Occupancy occupancy_of(const PackingContract& contract, const PackRule& rule,
                       const std::vector<int64_t>& lengths) {
  const auto batches = pack_offline(contract, rule, lengths);
  EXPECT_TRUE(batches.ok());
  return occupancy(contract, *batches);
}

TEST(OccupancyTest, counts_tokens_and_segments) {
  const Occupancy used = occupancy_of(form_b(2, 8, 4), PackPolicy::FirstFit, {8, 4, 5});
  EXPECT_EQ(used.batches, 2);
  EXPECT_EQ(used.tokens, 17);
  EXPECT_DOUBLE_EQ(used.token_fill(), 17.0 / 32);
  EXPECT_DOUBLE_EQ(used.segment_fill(), 3.0 / 8);
  EXPECT_EQ(used.least_batches, 2);
  const Occupancy unlimited = occupancy_of(form_b(2, 8), PackPolicy::FirstFit, {8, 4});
  EXPECT_EQ(unlimited.segments, 0);
  EXPECT_EQ(unlimited.segment_fill(), 0);
  EXPECT_EQ(occupancy_of(form_b(2, 8), PackPolicy::FirstFit, {}).token_fill(), 0);
}

TEST(OccupancyTest, the_least_minds_requests_and_delimiters) {
  EXPECT_EQ(occupancy_of(form_b(2, 8, 2), PackPolicy::FirstFit, {1, 1, 1, 1, 1}).least_batches, 3);
  // Two rows of 8 hold four requests of 3 with 2 between them: 32 tokens in two batches, not 24.
  PackingContract contract = form_b(2, 8);
  contract.zero_delimiters = 2;
  const std::vector<int64_t> lengths(8, 3);
  EXPECT_EQ(occupancy_of(contract, PackPolicy::FirstFit, lengths).least_batches, 2);
  EXPECT_EQ(occupancy_of(contract, PackPolicy::FirstFit, lengths).batches, 2);
}

TEST(OccupancyTest, rows_are_rounded_up) {
  EXPECT_EQ(least_rows(16, 8), 2);
  EXPECT_EQ(least_rows(17, 8), 3);
}

PackedBatch only_batch(const PackingContract& contract, const std::vector<int64_t>& lengths) {
  auto batches = pack_offline(contract, PackPolicy::FirstFit, lengths);
  EXPECT_EQ(batches->size(), 1u);
  return batches->front();
}

TEST(PictureTest, a_row_is_a_line_and_a_request_a_letter) {
  PackingContract contract = form_b(3, 8);
  contract.zero_delimiters = 1;
  EXPECT_EQ(draw_batch(contract, only_batch(contract, {3, 2, 5, 1}), {}),
            "row 0 |aaa.bb.d|  3 requests, 6 of 8 tokens\n"
            "row 1 |ccccc...|  1 request,  5 of 8 tokens\n"
            "row 2 |........|  0 requests, 0 of 8 tokens\n");
}

TEST(PictureTest, form_a_goes_on_in_the_next_row) {
  const PackingContract contract = form_a(2, 8, 4, 8);
  EXPECT_EQ(draw_batch(contract, only_batch(contract, {6, 5}), {}),
            "row 0 |aaaaaabb|  2 requests, 8 of 8 tokens\n"
            "row 1 |bbb.....|  1 request,  3 of 8 tokens\n");
}

TEST(PictureTest, a_narrow_picture_shows_who_has_most) {
  const PackingContract contract = form_b(1, 10);
  EXPECT_EQ(draw_batch(contract, only_batch(contract, {4, 3}), {4, false}),
            "row 0 |ab..|  2 requests,  7 of 10 tokens\n");
  EXPECT_EQ(draw_batch(contract, only_batch(contract, {4, 3}), {1, false}),
            "row 0 |a|  2 requests,  7 of 10 tokens\n");
}

TEST(PictureTest, a_batch_of_very_many_rows_is_drawn_in_part) {
  const PackingContract contract = form_b(1 << 20, 8);
  PackedBatch batch{
      .placements = {{0, 0, 5}, {1, 255 * 8, 8}, {2, 256 * 8, 3}},
        .tokens = 16
  };
  const std::string text = draw_batch(contract, batch, {});
  EXPECT_EQ(std::ranges::count(text, '\n'), 257);
  EXPECT_THAT(text, HasSubstr("row   0 |aaaaa...|"));
  EXPECT_THAT(text, HasSubstr("row 255 |bbbbbbbb|  1 request,  8 of 8 tokens\n"
                              "1048320 more rows are not drawn: 3 of 8386560 tokens\n"));
  batch.placements = {
      {0, 254 * 8, 24}
  };
  EXPECT_THAT(draw_batch(contract, batch, {}), HasSubstr("not drawn: 8 of 8386560 tokens\n"));
}

TEST(PictureTest, the_letters_begin_again_after_the_last) {
  const PackingContract contract = form_b(1, 54);
  EXPECT_THAT(draw_batch(contract, only_batch(contract, std::vector<int64_t>(54, 1)), {}),
              HasSubstr("|abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZab|"));
}

TEST(PictureTest, colours_only_where_they_are_asked_for) {
  const PackingContract contract = form_b(1, 4);
  const PackedBatch batch = only_batch(contract, {2});
  EXPECT_THAT(draw_batch(contract, batch, {64, true}), HasSubstr("\033[30;48;5;117ma\033[0m"));
  EXPECT_THAT(draw_batch(contract, batch, {64, false}), ::testing::Not(HasSubstr("\033")));
}

}  // namespace
}  // namespace tessera
