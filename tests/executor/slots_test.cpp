// SPDX-License-Identifier: Apache-2.0
#include "executor/slots.h"

#include <gtest/gtest.h>

#include <csignal>
#include <random>

#include "support/fault.h"

namespace tessera {
namespace {

TEST(Slots, what_lives_one_after_the_other_shares_one_and_what_meets_does_not) {
  const std::vector<Lifetime> lives = {
      {0, 1,  64 },
      {2, 3,  100},
      {3, 4,  50 },
      {5, -1, 64 }
  };
  const Slots slots = slots_by_liveness(lives);
  EXPECT_EQ(slots.slot, (std::vector<int32_t>{0, 0, 1, -1}));
  EXPECT_EQ(slots.bytes, (std::vector<int64_t>{100, 50}));
}

TEST(Slots, random_lives_of_one_never_meet) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<Lifetime> lives;
    for (int i = 0; i < 150; ++i) {
      const auto first = static_cast<int64_t>(random() % 30);
      lives.push_back({first, first + static_cast<int64_t>(random() % 20),
                       static_cast<int64_t>(random() % 1000)});
    }
    const Slots slots = slots_by_liveness(lives);
    for (size_t i = 0; i < lives.size(); ++i) {
      if (lives[i].bytes == 0) continue;
      ASSERT_GE(slots.bytes[static_cast<size_t>(slots.slot[i])], lives[i].bytes);
      for (size_t j = 0; j < i; ++j) {
        const bool meet = lives[i].first <= lives[j].last && lives[j].first <= lives[i].last;
        ASSERT_FALSE(meet && slots.slot[i] == slots.slot[j]) << i << " and " << j;
      }
    }
  }
}

// Writes at `at`: what a kernel would do that leaves its variable.
int signal_of_write(std::byte* at) {
  return catch_fault([at] { *const_cast<volatile std::byte*>(at) = std::byte{1}; });
}

TEST(Slots, lie_between_pages_that_nobody_may_touch) {
  for (const int64_t bytes : {1, 64, 4096, 5000, 3 << 20, 4 << 20}) {
    const Slots slots{
        {0,     1    },
        {bytes, bytes}
    };
    const SlotMemory memory = SlotMemory::allocate(slots).take();
    for (const int32_t slot : {0, 1}) {
      std::byte* const begin = memory.place(slot, bytes);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(begin) % kHostAlignment, 0U);
      EXPECT_EQ(signal_of_write(begin), 0);
      EXPECT_EQ(signal_of_write(begin + bytes - 1), 0);
      EXPECT_EQ(signal_of_write(begin + aligned_size(bytes)), SIGSEGV) << bytes;
      std::byte* const page = begin - reinterpret_cast<uintptr_t>(begin) % 4096;
      EXPECT_EQ(signal_of_write(page - 1), SIGSEGV) << bytes;
    }
  }
}

TEST(Slots, of_many_thousands_the_smallest_lie_together) {
  Slots slots;
  for (int32_t i = 0; i < 70'000; ++i) slots.bytes.push_back(i < 5000 ? 128 : 64);
  auto memory = SlotMemory::allocate(slots);
  ASSERT_TRUE(memory.ok()) << memory.error().message;
  EXPECT_EQ(memory->place(69'999, 64) - memory->place(69'998, 64), 64);
  EXPECT_EQ(signal_of_write(memory->place(69'999, 64) + 63), 0);
  EXPECT_EQ(signal_of_write(memory->place(69'999, 64) + 64), SIGSEGV);
  EXPECT_EQ(memory->size(), 5000 * 128 + 65'000 * 64);
}

}  // namespace
}  // namespace tessera
