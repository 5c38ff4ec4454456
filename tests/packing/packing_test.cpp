// SPDX-License-Identifier: Apache-2.0
// Golden vectors: PopRT's user guide, chapter "Packing", and its packing_utils.py: seven requests
// of lengths 1 to 7, four rows of eight.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "packing/batch_packer.h"
#include "packing/offline.h"
#include "packing/workload.h"
#include "tests/helpers/contracts.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

const std::vector<int64_t> kOneToSeven = {1, 2, 3, 4, 5, 6, 7};

PackedBatch only_batch(const PackingContract& contract, PackPolicy policy,
                       const std::vector<int64_t>& lengths) {
  auto batches = pack_offline(contract, policy, lengths);
  EXPECT_TRUE(batches.ok());
  EXPECT_EQ(batches->size(), 1u);
  return batches->front();
}

TEST(PackingTest, form_a_goes_end_to_end_across_rows) {
  const PackingContract contract = form_a(4, 8, 8, 8);
  const PackedBatch batch = only_batch(contract, PackPolicy::NextFit, kOneToSeven);
  EXPECT_EQ(batch.tokens, 28);
  EXPECT_THAT(packed_mask(contract, batch), ElementsAre(1, 2, 2, 3, 3, 3, 4, 4,  //
                                                        4, 4, 5, 5, 5, 5, 5, 6,  //
                                                        6, 6, 6, 6, 6, 7, 7, 7,  //
                                                        7, 7, 7, 7, 0, 0, 0, 0));
  EXPECT_THAT(packed_positions(contract, batch), ElementsAre(0, 0, 1, 0, 1, 2, 0, 1,  //
                                                             2, 3, 0, 1, 2, 3, 4, 0,  //
                                                             1, 2, 3, 4, 5, 0, 1, 2,  //
                                                             3, 4, 5, 6, 0, 0, 0, 0));
  EXPECT_THAT(packed_unpack_info(contract, batch), ElementsAre(1, 2, 3, 4, 5, 6, 7, 0));
}

TEST(PackingTest, form_b_next_fit_packs_six_of_seven) {
  const PackingContract contract = form_b(4, 8);
  auto batches = pack_offline(contract, PackPolicy::NextFit, kOneToSeven);
  ASSERT_TRUE(batches.ok());
  ASSERT_EQ(batches->size(), 2u);
  EXPECT_EQ(batches->front().placements.size(), 6u);
  EXPECT_THAT(packed_mask(contract, batches->front()), ElementsAre(1, 2, 2, 3, 3, 3, 0, 0,  //
                                                                   1, 1, 1, 1, 0, 0, 0, 0,  //
                                                                   1, 1, 1, 1, 1, 0, 0, 0,  //
                                                                   1, 1, 1, 1, 1, 1, 0, 0));
  EXPECT_THAT(packed_positions(contract, batches->front()), ElementsAre(0, 0, 1, 0, 1, 2, 0, 0,  //
                                                                        0, 1, 2, 3, 0, 0, 0, 0,  //
                                                                        0, 1, 2, 3, 4, 0, 0, 0,  //
                                                                        0, 1, 2, 3, 4, 5, 0, 0));
  EXPECT_EQ(batches->back().placements.front().request, 6u);
  EXPECT_EQ(batches->back().placements.front().start, 0);
}

TEST(PackingTest, form_b_first_fit_goes_back_to_rows_with_room) {
  const PackingContract contract = form_b(3, 8);
  const std::vector<int64_t> lengths = {5, 6, 3, 2, 8};
  EXPECT_THAT(packed_mask(contract, only_batch(contract, PackPolicy::FirstFit, lengths)),
              ElementsAre(1, 1, 1, 1, 1, 2, 2, 2,  //
                          1, 1, 1, 1, 1, 1, 2, 2,  //
                          1, 1, 1, 1, 1, 1, 1, 1));
  auto next_fit = pack_offline(contract, PackPolicy::NextFit, lengths);
  ASSERT_TRUE(next_fit.ok());
  EXPECT_EQ(next_fit->size(), 2u);
}

TEST(PackingTest, form_b_takes_all_seven_when_they_come_longest_first) {
  const std::vector<int64_t> lengths = {7, 6, 5, 4, 3, 2, 1};
  EXPECT_EQ(only_batch(form_b(4, 8), PackPolicy::FirstFit, lengths).tokens, 28);
}

TEST(PackingTest, delimiters_stand_between_the_requests_of_a_row) {
  PackingContract contract = form_b(3, 8);
  contract.zero_delimiters = 1;
  contract.max_valid_num = 5;
  const PackedBatch batch = only_batch(contract, PackPolicy::NextFit, {3, 2, 5, 1, 4});
  EXPECT_THAT(packed_mask(contract, batch), ElementsAreArray({1, 1, 1, 0, 2, 2, 0, 0,  //
                                                              1, 1, 1, 1, 1, 0, 2, 0,  //
                                                              1, 1, 1, 1, 0, 0, 0, 0}));
  contract.max_valid_num = 6;
  EXPECT_THAT(packed_unpack_info(contract, batch),
              ElementsAreArray({0, 3, 4, 2, 8, 5, 14, 1, 16, 4, 0, 0}));
}

TEST(PackingTest, an_unpacked_model_takes_one_request_a_row) {
  PackingContract contract = form_b(2, 4);
  contract.form = PackingForm::None;
  auto batches = pack_offline(contract, PackPolicy::FirstFit, std::vector<int64_t>{1, 2, 1});
  ASSERT_TRUE(batches.ok());
  ASSERT_EQ(batches->size(), 2u);
  EXPECT_THAT(packed_mask(contract, batches->front()), ElementsAre(1, 0, 0, 0, 1, 1, 0, 0));
}

TEST(PackingTest, a_row_filled_to_the_end_sends_the_next_request_to_the_next_row) {
  for (const PackingContract& contract : {form_a(2, 4, 9, 4), form_b(2, 4)}) {
    const PackedBatch batch = only_batch(contract, PackPolicy::NextFit, {4, 1});
    EXPECT_EQ(batch.placements[1].start, 4);
  }
}

TEST(PackingTest, max_valid_num_closes_a_batch_that_has_room) {
  BatchPacker packer(form_a(4, 8, 2, 8), PackPolicy::NextFit);
  EXPECT_TRUE(packer.try_add(0, 1));
  EXPECT_FALSE(packer.full_of_requests());
  EXPECT_TRUE(packer.try_add(1, 1));
  EXPECT_TRUE(packer.full_of_requests());
  EXPECT_FALSE(packer.try_add(2, 1));
  EXPECT_EQ(packer.free_tokens(), 30);
  packer.clear();
  EXPECT_EQ(packer.free_tokens(), 32);
  EXPECT_TRUE(packer.try_add(2, 1));
  EXPECT_EQ(packer.batch().placements.front().start, 0);
}

TEST(PackingTest, form_b_minds_max_valid_num_where_it_has_one) {
  PackingContract contract = form_b(4, 8);
  contract.max_valid_num = 3;
  auto batches = pack_offline(contract, PackPolicy::FirstFit, std::vector<int64_t>(7, 1));
  ASSERT_TRUE(batches.ok());
  EXPECT_EQ(batches->size(), 3u);
}

TEST(PackingTest, form_a_closes_a_batch_that_the_next_request_would_overflow) {
  auto batches =
      pack_offline(form_a(2, 4, 9, 4), PackPolicy::NextFit, std::vector<int64_t>{3, 3, 3, 2});
  ASSERT_TRUE(batches.ok());
  ASSERT_EQ(batches->size(), 2u);
  EXPECT_EQ(batches->front().tokens, 6);
  EXPECT_EQ(batches->back().placements.front().request, 2u);
}

TEST(PackingTest, an_answer_of_form_a_is_the_first_items_of_its_row) {
  const PackingContract contract = form_a(4, 8, 8, 6);
  const PackedBatch batch = only_batch(contract, PackPolicy::NextFit, {2, 3, 5});
  const OutputSlice tokens = output_slice(contract, {"logits", false}, batch, 2, 4);
  EXPECT_EQ(tokens.offset, 2 * 6 * 4);
  EXPECT_EQ(tokens.bytes, 5 * 4);
  const OutputSlice pooled = output_slice(contract, {"pooled", true}, batch, 2, 10);
  EXPECT_EQ(pooled.offset, 20);
  EXPECT_EQ(pooled.bytes, 10);
}

TEST(PackingTest, an_answer_of_form_b_is_a_slice_of_its_row) {
  const PackingContract contract = form_b(4, 8);
  const PackedBatch batch = only_batch(contract, PackPolicy::NextFit, {2, 3, 5});
  const OutputSlice second = output_slice(contract, {"logits", false}, batch, 1, 2);
  EXPECT_EQ(second.offset, 2 * 2);
  EXPECT_EQ(second.bytes, 3 * 2);
  EXPECT_EQ(output_slice(contract, {"logits", false}, batch, 2, 2).offset, 8 * 2);
}

TEST(PackingTest, a_request_that_no_batch_can_hold_is_refused_by_number) {
  const auto refuse = [](const PackingContract& contract, std::vector<int64_t> lengths) {
    auto batches = pack_offline(contract, PackPolicy::FirstFit, lengths);
    EXPECT_FALSE(batches.ok());
    return batches.ok() ? "" : batches.error().message;
  };
  EXPECT_EQ(refuse(form_b(4, 8), {3, 9}), "request 1: length is 9, must be in 1..8");
  EXPECT_EQ(refuse(form_b(4, 8), {0}), "request 0: length is 0, must be in 1..8");
  EXPECT_EQ(refuse(form_a(4, 8, 8, 6), {7}), "request 0: length is 7, must be in 1..6");
  EXPECT_EQ(refuse(form_a(1, 4, 8, 6), {5}), "request 0: length is 5, must be in 1..4");
  EXPECT_THAT(refuse(form_a(4, 8, 0, 6), {1}), HasSubstr("both must be >= 1"));
}

TEST(PackingTest, a_contract_of_sizes_that_nothing_has_is_refused_by_their_names) {
  const auto refusal = [](const PackingContract& contract) {
    const Status status = check_contract(contract);
    return status.ok() ? "" : status.error().message;
  };
  EXPECT_EQ(refusal(form_a(-2, -97, 5, 12)), "packing contract: rows is -2, must be in 1..1048576");
  EXPECT_EQ(refusal(form_b(4, 0)), "packing contract: row_length is 0, must be in 1..1048576");
  EXPECT_EQ(refusal(form_b(1 << 20, 1 << 20)),
            "packing contract: rows * row_length is 1099511627776, must be at most 1073741824");
  EXPECT_EQ(refusal(form_b(4, 8, -1)),
            "packing contract: max_valid_num is -1, must be in 0..1073741824");
  PackingContract contract = form_b(4, 8);
  contract.zero_delimiters = 8;
  EXPECT_EQ(refusal(contract), "packing contract: zero_delimiters is 8, must be in 0..7");
}

TEST(PackingTest, no_requests_make_no_batches) {
  auto batches = pack_offline(form_b(4, 8), PackPolicy::FirstFit, {});
  ASSERT_TRUE(batches.ok());
  EXPECT_TRUE(batches->empty());
}

// 1600 requests in batches of 16 x 256, as plain replays of PopRT's closing rules count them.
TEST(PackingTest, the_benchmark_requests_need_these_many_batches) {
  auto workload = synthetic_workload({});
  ASSERT_TRUE(workload.ok());
  std::vector<int64_t> lengths;
  for (const auto& drawn : *workload) lengths.push_back(static_cast<int64_t>(drawn.ids.size()));
  const auto count = [&](const PackingContract& contract, PackPolicy policy) {
    auto batches = pack_offline(contract, policy, lengths);
    return batches.ok() ? batches->size() : 0;
  };
  EXPECT_EQ(count(form_b(16, 256), PackPolicy::NextFit), 65u);
  EXPECT_EQ(count(form_b(16, 256), PackPolicy::FirstFit), 56u);
  EXPECT_EQ(count(form_a(16, 256, 40, 256), PackPolicy::NextFit), 52u);
}

}  // namespace
}  // namespace tessera
