// SPDX-License-Identifier: Apache-2.0
// The bins of an open batch by the room that is left in them, and the search for one that fits.
#pragma once

#include <cstdint>
#include <vector>

#include "packing/policy.h"

namespace tessera {

// Not thread-safe. Memory and clear() are linear in count + capacity; a search is
//   NextFit   a step, over the life of a batch
//   FirstFit  a walk down a segment tree of maxima: O(log count)
//   BestFit, Window  a scan of a bitmap with a bit for each room that some bin has:
//                    O(capacity / 64), and among bins of equal room the one that got there last
class Bins {
 public:
  // count bins of `capacity` each; both must be >= 1. A policy that packs a stream.
  Bins(int64_t count, int64_t capacity, PackPolicy policy);
  void clear();

  // The bin that takes `need` (1 .. capacity), or -1.
  int64_t find(int64_t need);
  int64_t room(int64_t bin) const { return room_[static_cast<size_t>(bin)]; }
  // Takes `need` from a bin that find has just given for it.
  void take(int64_t bin, int64_t need);

 private:
  int64_t find_next(int64_t need);
  int64_t find_first(int64_t need) const;
  int64_t find_best(int64_t need) const;
  void push(int32_t bin);  // onto the list of its room
  void pop(int32_t bin);   // it must be the head of its room's list

  PackPolicy policy_;
  int64_t capacity_;
  std::vector<int32_t> room_;  // by bin

  size_t current_ = 0;          // NextFit
  size_t leaves_ = 0;           // FirstFit: a power of two
  std::vector<int32_t> most_;   // FirstFit: of node i, whose children are 2 i and 2 i + 1
  std::vector<int32_t> head_;   // BestFit: by room, a bin or -1
  std::vector<int32_t> below_;  // BestFit: by bin, the next in its room's list
  std::vector<uint64_t> some_;  // BestFit: bit r: some bin has room r
};

}  // namespace tessera
