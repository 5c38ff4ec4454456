// SPDX-License-Identifier: Apache-2.0
// Histogram packing: by hand, against every packing of small cases, and against the published
// packers' own results where the data is there.
#include "packing/histogram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "packing/lengths.h"
#include "packing/occupancy.h"
#include "packing/offline.h"
#include "tests/helpers/contracts.h"
#include "tests/helpers/paths.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

// As "count x lengths".
std::vector<std::pair<int64_t, std::vector<int64_t>>> packed(const std::vector<int64_t>& lengths,
                                                             int64_t capacity, int64_t depth,
                                                             PackPolicy policy) {
  std::vector<std::pair<int64_t, std::vector<int64_t>>> out;
  for (BinGroup& group : pack_histogram(histogram_of(lengths), capacity, depth, policy))
    out.emplace_back(group.count, std::move(group.lengths));
  return out;
}

std::pair<int64_t, std::vector<int64_t>> bins(int64_t count, std::vector<int64_t> lengths) {
  return {count, std::move(lengths)};
}

TEST(HistogramTest, counts_requests_and_tokens) {
  const LengthHistogram histogram = histogram_of(std::vector<int64_t>{3, 1, 3});
  EXPECT_THAT(histogram.counts, ElementsAre(0, 1, 0, 2));
  EXPECT_EQ(histogram.longest(), 3);
  EXPECT_EQ(histogram.requests(), 3);
  EXPECT_EQ(histogram.tokens(), 7);
  EXPECT_EQ(histogram_of({}).longest(), 0);
}

TEST(HistogramTest, whole_counts_move_together) {
  for (const PackPolicy policy : {PackPolicy::Spfhp, PackPolicy::Lpfhp})
    EXPECT_THAT(packed({5, 5, 5, 3, 3, 2}, 8, 0, policy),
                UnorderedElementsAre(bins(2, {5, 3}), bins(1, {5, 2})));
}

TEST(HistogramTest, shortest_pack_first_takes_the_most_room_and_longest_the_least) {
  EXPECT_THAT(packed({6, 5, 2}, 8, 0, PackPolicy::Spfhp),
              UnorderedElementsAre(bins(1, {6}), bins(1, {5, 2})));
  EXPECT_THAT(packed({6, 5, 2}, 8, 0, PackPolicy::Lpfhp),
              UnorderedElementsAre(bins(1, {6, 2}), bins(1, {5})));
}

TEST(HistogramTest, longest_pack_first_repeats_a_length_in_a_bin) {
  EXPECT_THAT(packed({2, 2, 2, 2, 2, 2, 2}, 8, 0, PackPolicy::Lpfhp),
              UnorderedElementsAre(bins(1, {2, 2, 2, 2}), bins(1, {2, 2, 2})));
  EXPECT_THAT(packed({2, 2, 2, 2, 2, 2, 2}, 8, 0, PackPolicy::Spfhp), ElementsAre(bins(7, {2})));
  EXPECT_THAT(packed({4, 2, 2, 1}, 8, 0, PackPolicy::Lpfhp),
              UnorderedElementsAre(bins(1, {4, 2, 2}), bins(1, {1})));
}

TEST(HistogramTest, a_bin_takes_memory_for_what_it_holds_and_not_for_its_room) {
  LengthHistogram histogram;
  histogram.counts = {0, 0, 0, 2};
  for (const PackPolicy policy : {PackPolicy::Spfhp, PackPolicy::Lpfhp}) {
    const std::vector<BinGroup> bins = pack_histogram(histogram, int64_t{1} << 40, 0, policy);
    EXPECT_EQ(bin_count(bins), policy == PackPolicy::Lpfhp ? 1 : 2);
  }
}

TEST(HistogramTest, a_bin_is_closed_at_its_depth) {
  EXPECT_THAT(packed({2, 2, 2, 2, 2, 2, 2}, 8, 2, PackPolicy::Lpfhp),
              UnorderedElementsAre(bins(3, {2, 2}), bins(1, {2})));
  EXPECT_THAT(packed({5, 2, 1}, 8, 2, PackPolicy::Spfhp),
              UnorderedElementsAre(bins(1, {5, 2}), bins(1, {1})));
}

// Every packing of the requests, one at a time into a bin that is open or a new one.
size_t fewest_bins(const std::vector<int64_t>& lengths, int64_t capacity, int64_t depth) {
  struct Bin {
    int64_t tokens = 0, requests = 0;
  };
  std::vector<Bin> open;
  size_t best = lengths.size();
  const auto place = [&](const auto& self, size_t i) -> void {
    if (open.size() >= best) return;
    if (i == lengths.size()) {
      best = open.size();
      return;
    }
    for (size_t b = 0; b < open.size(); ++b) {
      if (open[b].tokens + lengths[i] > capacity || open[b].requests == depth) continue;
      open[b] = {open[b].tokens + lengths[i], open[b].requests + 1};
      self(self, i + 1);
      open[b] = {open[b].tokens - lengths[i], open[b].requests - 1};
    }
    open.push_back({lengths[i], 1});
    self(self, i + 1);
    open.pop_back();
  };
  place(place, 0);
  return best;
}

TEST(HistogramTest, small_cases_are_packed_as_well_as_they_can_be) {
  std::mt19937 random(4);
  constexpr int kRounds = 1000;
  int optimal = 0;
  for (int round = 0; round < kRounds; ++round) {
    const auto capacity = static_cast<int64_t>(6 + random() % 8);
    const auto depth = static_cast<int64_t>(1 + random() % 5);
    std::vector<int64_t> lengths(1 + random() % 8);
    for (int64_t& length : lengths)
      length = 1 + static_cast<int64_t>(random() % static_cast<uint32_t>(capacity));
    const auto fewest = static_cast<int64_t>(fewest_bins(lengths, capacity, depth));
    const LengthHistogram histogram = histogram_of(lengths);
    const auto count = [&](PackPolicy policy) {
      return bin_count(pack_histogram(histogram, capacity, depth, policy));
    };
    ASSERT_GE(fewest, least_rows(histogram.tokens(), capacity));
    ASSERT_GE(count(PackPolicy::Spfhp), fewest);
    ASSERT_GE(count(PackPolicy::Lpfhp), fewest);
    ASSERT_LE(count(PackPolicy::Lpfhp), fewest + 1);
    optimal += count(PackPolicy::Lpfhp) == fewest;
  }
  EXPECT_GE(optimal, kRounds * 99 / 100);
}

TEST(HistogramTest, every_request_is_in_a_bin_that_holds_it) {
  std::mt19937 random(5);
  for (int round = 0; round < 50; ++round) {
    std::vector<int64_t> lengths(random() % 1000);
    for (int64_t& length : lengths) length = 1 + static_cast<int64_t>(random() % 100);
    for (const PackPolicy policy : {PackPolicy::Spfhp, PackPolicy::Lpfhp}) {
      const int64_t depth = round % 5;
      LengthHistogram left = histogram_of(lengths);
      for (const BinGroup& group : pack_histogram(left, 100, depth, policy)) {
        int64_t tokens = 0;
        ASSERT_GE(group.count, 1);
        for (const int64_t length : group.lengths) {
          left.counts[static_cast<size_t>(length)] -= group.count;
          tokens += length;
        }
        EXPECT_LE(tokens, 100);
        if (depth > 0) {
          EXPECT_LE(std::ssize(group.lengths), depth);
        }
      }
      EXPECT_THAT(left.counts, ::testing::Each(0));
    }
  }
}

// Delimiters take room between requests, and none behind the last.
TEST(HistogramTest, rows_keep_their_delimiters) {
  PackingContract contract = form_b(4, 8);
  contract.zero_delimiters = 2;
  const LengthHistogram histogram = histogram_of(std::vector<int64_t>{3, 3, 1});
  const std::vector<BinGroup> rows = pack_rows(contract, PackPolicy::Lpfhp, histogram);
  ASSERT_EQ(bin_count(rows), 2);
  EXPECT_THAT(rows[0].lengths, ElementsAre(3, 3));
}

struct Reference {
  std::string dataset;
  PackPolicy policy;
  int64_t row_length, depth, packs, deepest, different;
};

// The lines of packing_reference.csv that are results of the two packers here.
std::vector<Reference> read_references(const std::filesystem::path& path) {
  std::vector<Reference> references;
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);  // the header
  while (std::getline(file, line)) {
    std::vector<std::string> cells;
    std::istringstream stream(line);
    for (std::string cell; std::getline(stream, cell, ',');) cells.push_back(cell);
    const auto policy = parse_policy(cells[2]);
    if (!policy) continue;
    references.push_back({cells[0], *policy, std::stoll(cells[1]), std::stoll(cells[3]),
                          std::stoll(cells[4]), std::stoll(cells[7]), std::stoll(cells[8])});
  }
  return references;
}

TEST(HistogramTest, pack_counts_are_those_of_the_published_packers) {
  const std::filesystem::path data = tessera::test::shared_dir() / "data";
  if (!std::filesystem::exists(data / "packing_reference.csv"))
    GTEST_SKIP() << "no shared folder: the published packers' results are left out";
  const std::vector<Reference> references = read_references(data / "packing_reference.csv");
  ASSERT_GE(references.size(), 40u);
  for (const Reference& wanted : references) {
    const auto histogram =
        read_histogram_csv(data / ("length_histogram_" + wanted.dataset + ".csv"));
    ASSERT_TRUE(histogram.ok()) << histogram.error().message;
    const auto groups = pack_histogram(*histogram, wanted.row_length, wanted.depth, wanted.policy);
    SCOPED_TRACE(wanted.dataset + " " + std::string(to_string(wanted.policy)) + " depth " +
                 std::to_string(wanted.depth));
    EXPECT_EQ(bin_count(groups), wanted.packs);
    EXPECT_EQ(std::ssize(groups), wanted.different);
    size_t deepest = 0;
    for (const BinGroup& group : groups) deepest = std::max(deepest, group.lengths.size());
    EXPECT_EQ(static_cast<int64_t>(deepest), wanted.deepest);
  }
}

}  // namespace
}  // namespace tessera
