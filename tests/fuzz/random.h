// SPDX-License-Identifier: Apache-2.0
// Random numbers of fuzzing and of mutators: the same on every host for the same seed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tessera::fuzz {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  // SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // 0 .. count - 1; count must not be 0.
  size_t below(size_t count) { return static_cast<size_t>(next() % count); }
  bool one_in(size_t count) { return below(count) == 0; }
  template <class List>
  auto& pick(List& list) {
    return list[below(list.size())];
  }

 private:
  uint64_t state_;
};

// A number near `value`, or one at which code breaks.
inline int64_t other_number(int64_t value, Random& random) {
  constexpr int64_t kNasty[] = {0,         -1,        1,         2,         3,
                                7,         8,         63,        64,        65,
                                255,       256,       4095,      INT32_MAX, INT64_MAX,
                                INT64_MIN, INT32_MIN, 1LL << 32, 1LL << 40, (1LL << 31)};
  const auto bits = static_cast<uint64_t>(value);
  switch (random.below(6)) {
    case 0: return kNasty[random.below(sizeof kNasty / sizeof kNasty[0])];
    case 1: return static_cast<int64_t>(bits * 2);
    case 2: return value / 2;
    case 3: return static_cast<int64_t>(0 - bits);
    default: return static_cast<int64_t>(bits + random.below(5) - 2);
  }
}

}  // namespace tessera::fuzz
