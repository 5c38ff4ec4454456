// SPDX-License-Identifier: Apache-2.0
#include "executor/host_memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>

namespace tessera {
namespace {

bool meet(const Lifetime& a, int64_t at_a, const Lifetime& b, int64_t at_b) {
  const bool in_time = a.first <= b.last && b.first <= a.last;
  const bool in_place = at_a < at_b + b.bytes && at_b < at_a + a.bytes;
  return in_time && in_place;
}

TEST(HostMemory, what_lives_one_after_the_other_shares_a_place) {
  const std::vector<Lifetime> lives = {
      {0, 1, 100},
      {2, 3, 100},
      {4, 4, 50 }
  };
  const Places places = place_by_liveness(lives);
  EXPECT_EQ(places.offset, (std::vector<int64_t>{0, 0, 0}));
  EXPECT_EQ(places.bytes, 128);
}

TEST(HostMemory, what_a_step_reads_and_writes_lies_apart) {
  const std::vector<Lifetime> lives = {
      {0, 1, 64},
      {1, 2, 64}
  };
  const Places places = place_by_liveness(lives);
  EXPECT_EQ(places.offset, (std::vector<int64_t>{0, 64}));
}

TEST(HostMemory, what_nothing_touches_takes_no_room_from_others) {
  const std::vector<Lifetime> lives = {
      {5, -1, 64},
      {0, 2,  64}
  };
  EXPECT_EQ(place_by_liveness(lives).bytes, 64);
}

std::vector<Lifetime> chain_of(int64_t n) {
  std::vector<Lifetime> lives;
  for (int64_t i = 0; i < n; ++i) lives.push_back({i, i + 3, 64 + i % 7 * 64});
  return lives;
}

TEST(HostMemory, twice_the_lives_are_twice_the_comparisons) {
  EXPECT_LE(place_by_liveness(chain_of(2000)).compared,
            2 * place_by_liveness(chain_of(1000)).compared + 10);
  std::vector<Lifetime> together;
  for (int64_t i = 0; i < 5000; ++i) together.push_back({i, 5000, 64});
  const Places places = place_by_liveness(together);
  EXPECT_LE(places.compared, 5000 * 256);
  EXPECT_EQ(places.bytes, 5000 * 64);
}

// As it would be found by looking at everything that is placed.
TEST(HostMemory, a_place_is_the_lowest_that_is_free) {
  std::mt19937 random(3);
  std::vector<Lifetime> lives;
  for (int i = 0; i < 200; ++i) {
    const auto first = static_cast<int64_t>(random() % 40);
    lives.push_back({first, first + static_cast<int64_t>(random() % 9),
                     static_cast<int64_t>(4000 - i * 20)});  // largest first
  }
  const Places places = place_by_liveness(lives);
  for (size_t i = 0; i < lives.size(); ++i) {
    for (int64_t lower = 0; lower < places.offset[i]; lower += kHostAlignment) {
      bool is_free = true;
      for (size_t j = 0; j < i; ++j)
        is_free = is_free && !meet(lives[i], lower, lives[j], places.offset[j]);
      ASSERT_FALSE(is_free) << i << " at " << lower;
    }
  }
}

TEST(HostMemory, random_lives_never_meet_and_are_aligned) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<Lifetime> lives;
    for (int i = 0; i < 40; ++i) {
      const auto first = static_cast<int64_t>(random() % 30);
      lives.push_back({first, first + static_cast<int64_t>(random() % 6),
                       static_cast<int64_t>(random() % 1000)});
    }
    const Places places = place_by_liveness(lives);
    for (size_t i = 0; i < lives.size(); ++i) {
      ASSERT_EQ(places.offset[i] % kHostAlignment, 0);
      ASSERT_LE(places.offset[i] + lives[i].bytes, places.bytes);
      for (size_t j = 0; j < i; ++j) {
        ASSERT_FALSE(meet(lives[i], places.offset[i], lives[j], places.offset[j]))
            << "round " << round << ": " << i << " and " << j;
      }
    }
  }
}

TEST(HostMemory, buffers_are_aligned_whatever_their_size) {
  for (int64_t bytes : {0, 1, 63, 4096, 5 << 20}) {
    auto buffer = HostBuffer::allocate(bytes);
    ASSERT_TRUE(buffer.ok());
    EXPECT_EQ(buffer->size(), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % kHostAlignment, 0u);
  }
}

}  // namespace
}  // namespace tessera
