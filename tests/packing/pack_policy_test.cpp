// SPDX-License-Identifier: Apache-2.0
// The requests that share a batch, and their places: small cases by hand, rules of every policy.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "packing/batch_packer.h"
#include "packing/offline.h"
#include "tests/helpers/contracts.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// By batch, the lengths in the order of placing.
std::vector<std::vector<int64_t>> packed_lengths(const PackingContract& contract,
                                                 const PackRule& rule,
                                                 const std::vector<int64_t>& lengths) {
  auto batches = pack_offline(contract, rule, lengths);
  EXPECT_TRUE(batches.ok()) << batches.error().message;
  std::vector<std::vector<int64_t>> out;
  for (const PackedBatch& batch : *batches) {
    std::vector<int64_t>& placed = out.emplace_back();
    for (const Placement& place : batch.placements) placed.push_back(place.length);
  }
  return out;
}

PackRule window_rule(int64_t window, int64_t pinned) {
  PackRule rule(PackPolicy::Window);
  rule.window = window;
  rule.pinned = pinned;
  return rule;
}

TEST(PackPolicyTest, every_policy_has_a_name_that_is_read_back) {
  for (const PackPolicy policy : all_policies()) {
    const auto read = parse_policy(to_string(policy));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(*read, policy);
  }
  const auto wrong = parse_policy("algorithom");
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().message,
            "'algorithom', must be next_fit, first_fit, best_fit, window, spfhp or lpfhp");
  EXPECT_EQ(wrong.error().kind, ErrorKind::Usage);
}

TEST(PackPolicyTest, numbers_of_a_rule_are_refused_by_name) {
  const auto refuse = [](const PackRule& rule) {
    const auto batches = pack_offline(form_b(2, 4), rule, {});
    return batches.ok() ? "" : batches.error().message;
  };
  EXPECT_EQ(refuse(window_rule(0, 1)), "window: 0, must be at least 1");
  EXPECT_EQ(refuse(window_rule(4, 5)), "pinned: 5, must be in 0..4, the window");
  EXPECT_EQ(refuse(window_rule(4, -1)), "pinned: -1, must be in 0..4, the window");
  PackRule rule(PackPolicy::Lpfhp);
  rule.depth = -1;
  EXPECT_EQ(refuse(rule), "depth: -1, must be at least 0");
}

// Rows of 8 with 5, 6 and 4 used: a 2 goes to the first with room, or to the one it fills.
TEST(PackPolicyTest, first_fit_takes_the_first_row_and_best_fit_the_fullest) {
  const std::vector<int64_t> lengths = {5, 6, 4, 2};
  const auto row_of_last = [&](PackPolicy policy) {
    auto batches = pack_offline(form_b(3, 8), policy, lengths);
    EXPECT_TRUE(batches.ok());
    return batches->front().placements.back().start / 8;
  };
  EXPECT_EQ(row_of_last(PackPolicy::NextFit), 2);
  EXPECT_EQ(row_of_last(PackPolicy::FirstFit), 0);
  EXPECT_EQ(row_of_last(PackPolicy::BestFit), 1);
}

TEST(PackPolicyTest, best_fit_fills_a_batch_that_first_fit_cannot) {
  const std::vector<int64_t> lengths = {5, 6, 2, 3};
  EXPECT_EQ(packed_lengths(form_b(2, 8), PackPolicy::FirstFit, lengths).size(), 2u);
  EXPECT_EQ(packed_lengths(form_b(2, 8), PackPolicy::BestFit, lengths).size(), 1u);
}

// 3 is the oldest and pinned; then 7, 5 and what fits, longest first; 6 and 4 wait.
TEST(PackPolicyTest, window_places_the_oldest_and_then_the_longest_that_fit) {
  EXPECT_THAT(packed_lengths(form_b(2, 8), window_rule(8, 1), {3, 4, 5, 7, 6, 1}),
              ElementsAre(ElementsAre(3, 7, 5, 1), ElementsAre(4, 6)));
}

TEST(PackPolicyTest, window_looks_no_further_than_it_is_wide) {
  EXPECT_THAT(packed_lengths(form_b(1, 8), window_rule(2, 1), {6, 5, 2}),
              ElementsAre(ElementsAre(6, 2), ElementsAre(5)));
  EXPECT_THAT(packed_lengths(form_b(1, 8), window_rule(2, 1), {6, 5, 4, 2}),
              ElementsAre(ElementsAre(6), ElementsAre(5, 2), ElementsAre(4)));
}

// Without that, a batch of many short requests would hold no more than the window.
TEST(PackPolicyTest, window_lets_another_in_for_each_that_was_placed) {
  EXPECT_EQ(packed_lengths(form_b(4, 8), window_rule(2, 1), std::vector<int64_t>(32, 1)).size(),
            1u);
}

TEST(PackPolicyTest, pinned_requests_go_before_longer_ones) {
  EXPECT_THAT(packed_lengths(form_b(2, 8), window_rule(4, 1), {1, 1, 8, 8}),
              ElementsAre(ElementsAre(1, 8, 1), ElementsAre(8)));
  EXPECT_THAT(packed_lengths(form_b(2, 8), window_rule(4, 1), {1, 8, 8, 1}),
              ElementsAre(ElementsAre(1, 8, 1), ElementsAre(8)));
  EXPECT_THAT(packed_lengths(form_b(2, 8), window_rule(4, 2), {5, 5, 8, 8}),
              ElementsAre(ElementsAre(5, 5), ElementsAre(8, 8)));
}

TEST(PackPolicyTest, filling_goes_on_with_what_came_since) {
  for (const PackPolicy policy : {PackPolicy::FirstFit, PackPolicy::Window}) {
    BatchPacker packer(form_b(2, 8), policy);
    EXPECT_TRUE(packer.fill(std::vector<Candidate>{
        {7, 6}
    }));
    EXPECT_TRUE(packer.fill({}));
    EXPECT_FALSE(packer.fill(std::vector<Candidate>{
        {8, 7},
        {9, 3}
    }));
    ASSERT_EQ(packer.batch().placements.size(), 2u);
    EXPECT_EQ(packer.batch().placements[1].request, 8u);
    EXPECT_FALSE(packer.full_of_requests());
  }
}

TEST(PackPolicyTest, window_in_form_a_fills_the_line) {
  EXPECT_THAT(packed_lengths(form_a(2, 4, 9, 4), window_rule(4, 1), {3, 2, 4, 1, 4}),
              ElementsAre(ElementsAre(3, 4, 1), ElementsAre(2, 4)));
}

// One bound is rows, the other requests: a batch holds 3.
TEST(PackPolicyTest, every_policy_minds_the_request_limit) {
  for (const PackPolicy policy : all_policies())
    for (const PackingContract& contract : {form_a(4, 8, 3, 8), form_b(4, 8, 3)})
      EXPECT_EQ(packed_lengths(contract, policy, std::vector<int64_t>(7, 1)).size(), 3u)
          << to_string(policy);
}

TEST(PackPolicyTest, an_unpacked_model_takes_one_request_a_row_by_every_policy) {
  PackingContract contract = form_b(2, 8);
  contract.form = PackingForm::None;
  for (const PackPolicy policy : all_policies())
    EXPECT_EQ(packed_lengths(contract, policy, {1, 1, 8, 2, 3}).size(), 3u) << to_string(policy);
}

TEST(PackPolicyTest, no_requests_make_no_batches_by_any_policy) {
  for (const PackPolicy policy : all_policies())
    EXPECT_THAT(packed_lengths(form_b(4, 8), policy, {}), IsEmpty()) << to_string(policy);
}

// The demands of a contract on a batch, whatever made it.
void expect_sound(const PackingContract& contract, const PackedBatch& batch,
                  const std::vector<int64_t>& lengths, std::vector<int>& times_placed) {
  const bool across_rows = contract.form == PackingForm::A;
  std::vector<int> used(static_cast<size_t>(row_tokens(contract)));
  int64_t tokens = 0;
  ASSERT_LE(std::ssize(batch.placements), most_requests(contract));
  ASSERT_FALSE(batch.placements.empty());
  for (const Placement& place : batch.placements) {
    ++times_placed.at(place.request);
    ASSERT_EQ(place.length, lengths[place.request]);
    tokens += place.length;
    const int64_t row_end = (place.start / contract.row_length + 1) * contract.row_length;
    const int64_t end = place.start + place.length;
    if (!across_rows) {
      ASSERT_LE(end, row_end);
    }
    // Its own cells, and the delimiters before the next request of the row.
    const int64_t kept = across_rows ? end : std::min(end + contract.zero_delimiters, row_end);
    for (int64_t i = place.start; i < kept; ++i) ASSERT_EQ(++used.at(static_cast<size_t>(i)), 1);
  }
  EXPECT_EQ(tokens, batch.tokens);
}

TEST(PackPolicyTest, every_request_is_placed_once_and_within_bounds_by_every_policy) {
  std::mt19937 random(1);
  PackingContract delimited = form_b(3, 16, 9);
  delimited.zero_delimiters = 2;
  for (int round = 0; round < 40; ++round) {
    std::vector<int64_t> lengths(random() % 300);
    const auto longest = static_cast<int64_t>(1 + random() % 16);
    for (int64_t& length : lengths)
      length = 1 + static_cast<int64_t>(random() % static_cast<uint32_t>(longest));
    for (const PackingContract& contract :
         {form_a(3, 16, 7, 16), form_b(3, 16), form_b(5, 16, 11), delimited}) {
      for (const PackPolicy policy : all_policies()) {
        SCOPED_TRACE(std::string(to_string(policy)) + " in round " + std::to_string(round));
        const auto batches = pack_offline(contract, policy, lengths);
        ASSERT_TRUE(batches.ok());
        std::vector<int> times_placed(lengths.size());
        for (const PackedBatch& batch : *batches)
          ASSERT_NO_FATAL_FAILURE(expect_sound(contract, batch, lengths, times_placed));
        EXPECT_THAT(times_placed, ::testing::Each(1));
      }
    }
  }
}

TEST(PackPolicyTest, the_same_requests_give_the_same_batches) {
  std::mt19937 random(2);
  std::vector<int64_t> lengths(500);
  for (int64_t& length : lengths) length = 1 + static_cast<int64_t>(random() % 64);
  for (const PackPolicy policy : all_policies()) {
    const auto once = pack_offline(form_b(4, 64), policy, lengths);
    const auto again = pack_offline(form_b(4, 64), policy, lengths);
    ASSERT_TRUE(once.ok() && again.ok());
    ASSERT_EQ(once->size(), again->size());
    for (size_t i = 0; i < once->size(); ++i)
      for (size_t j = 0; j < (*once)[i].placements.size(); ++j) {
        EXPECT_EQ((*once)[i].placements[j].request, (*again)[i].placements[j].request);
        EXPECT_EQ((*once)[i].placements[j].start, (*again)[i].placements[j].start);
      }
  }
}

// The bound of PackRule::pinned, with lengths that would starve short requests without it.
TEST(PackPolicyTest, no_request_waits_longer_than_the_pinned_allow) {
  std::mt19937 random(3);
  std::vector<int64_t> lengths(400);
  for (int64_t& length : lengths) length = random() % 4 == 0 ? 1 : 9 + random() % 8;
  for (const int64_t pinned : {1, 2, 4}) {
    for (const PackingContract& contract : {form_a(4, 16, 20, 16), form_b(4, 16)}) {
      const auto batches = pack_offline(contract, window_rule(300, pinned), lengths);
      ASSERT_TRUE(batches.ok());
      for (size_t i = 0; i < batches->size(); ++i)
        for (const Placement& place : (*batches)[i].placements)
          EXPECT_LE(i, place.request / static_cast<size_t>(pinned));
    }
  }
}

}  // namespace
}  // namespace tessera
