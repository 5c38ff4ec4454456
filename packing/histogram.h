// SPDX-License-Identifier: Apache-2.0
// Packing by lengths alone: how many requests there are of each length decides how bins are filled,
// and whole counts move at a time. Millions of requests take as long as the number of lengths.
//
// Shortest-pack-first and longest-pack-first histogram packing: Krell, Kosec, Perez, Fitzgibbon,
// "Efficient Sequence Packing without Cross-contamination", arXiv 2107.02027.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "packing/policy.h"

namespace tessera {

// counts[n] requests have length n; counts[0] is 0.
struct LengthHistogram {
  std::vector<int64_t> counts;

  int64_t longest() const;   // 0 if there are no requests
  int64_t requests() const;  // their number
  int64_t tokens() const;    // the sum of their lengths
};

// Lengths must be >= 1.
LengthHistogram histogram_of(std::span<const int64_t> lengths);
// `count` bins that each hold requests of these lengths, in the order of placing.
struct BinGroup {
  int64_t count = 0;
  std::vector<int64_t> lengths;
};

// Every request in bins of `capacity` tokens, at most `depth` in a bin (0: as many as fit).
// Lengths are taken from the longest down. Spfhp puts each into the open bin with the most room,
// Lpfhp into the one with the least room that fits, and there, or in a bin of its own, as often as
// it fits and is left. A bin is closed when it is full or holds `depth`.
// `policy` is Spfhp or Lpfhp; no length exceeds capacity. Deterministic.
std::vector<BinGroup> pack_histogram(const LengthHistogram& histogram, int64_t capacity,
                                     int64_t depth, PackPolicy policy);

int64_t bin_count(std::span<const BinGroup> groups);

}  // namespace tessera
