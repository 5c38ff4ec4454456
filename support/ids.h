// SPDX-License-Identifier: Apache-2.0
// Integers that are one kind of thing. A tile number and a cycle count cannot be mixed up.
#pragma once

#include <compare>
#include <cstdint>

namespace tessera {

// A tile of the machine, 0 .. target.all_tiles() - 1: over all IPUs.
struct TileId {
  uint32_t value = 0;
  constexpr auto operator<=>(const TileId&) const = default;
};

// Time of the simulated machine, in cycles of the tile clock. Never host time.
struct Cycles {
  uint64_t value = 0;
  constexpr auto operator<=>(const Cycles&) const = default;
  constexpr Cycles& operator+=(Cycles other) {
    value += other.value;
    return *this;
  }
  friend constexpr Cycles operator+(Cycles a, Cycles b) { return {a.value + b.value}; }
};

}  // namespace tessera
