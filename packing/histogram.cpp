// SPDX-License-Identifier: Apache-2.0
#include "packing/histogram.h"

#include <algorithm>
#include <map>

#include "support/check.h"

namespace tessera {

int64_t LengthHistogram::longest() const {
  for (size_t n = counts.size(); n > 0; --n)
    if (counts[n - 1] > 0) return static_cast<int64_t>(n - 1);
  return 0;
}

int64_t LengthHistogram::requests() const {
  int64_t sum = 0;
  for (const int64_t count : counts) sum += count;
  return sum;
}

int64_t LengthHistogram::tokens() const {
  int64_t sum = 0;
  for (size_t n = 0; n < counts.size(); ++n) sum += static_cast<int64_t>(n) * counts[n];
  return sum;
}

LengthHistogram histogram_of(std::span<const int64_t> lengths) {
  LengthHistogram histogram;
  for (const int64_t length : lengths) {
    CHECK(length >= 1);
    const auto at = static_cast<size_t>(length);
    if (histogram.counts.size() <= at) histogram.counts.resize(at + 1);
    ++histogram.counts[at];
  }
  return histogram;
}

int64_t bin_count(std::span<const BinGroup> groups) {
  int64_t sum = 0;
  for (const BinGroup& group : groups) sum += group.count;
  return sum;
}

namespace {

// Bins that are being filled, by the room they have left; and those that are closed.
class OpenBins {
 public:
  OpenBins(int64_t capacity, int64_t depth) : capacity_(capacity), depth_(depth) {}

  // A room >= length that some open bin has: the most or the least; -1 if there is none.
  int64_t most_room(int64_t length) const {
    return by_room_.empty() || by_room_.rbegin()->first < length ? -1 : by_room_.rbegin()->first;
  }
  int64_t least_room(int64_t length) const {
    const auto found = by_room_.lower_bound(length);
    return found == by_room_.end() ? -1 : found->first;
  }
  const BinGroup& last(int64_t room) const { return by_room_.find(room)->second.back(); }

  // Adds `times` requests of `length` to each of `count` bins: of the last group of this room, or
  // new ones.
  void extend(int64_t room, int64_t count, int64_t length, int64_t times) {
    const auto found = by_room_.find(room);
    std::vector<BinGroup>& groups = found->second;
    BinGroup group;
    if (groups.back().count == count) {
      group = std::move(groups.back());
      groups.pop_back();
    } else {
      group = groups.back();
      group.count = count;
      groups.back().count -= count;
    }
    if (groups.empty()) by_room_.erase(found);
    add(std::move(group), room, length, times);
  }
  void open(int64_t count, int64_t length, int64_t times) {
    add({count, {}}, capacity_, length, times);
  }

  std::vector<BinGroup> take_all() {
    for (auto& [room, groups] : by_room_)
      for (BinGroup& group : groups) closed_.push_back(std::move(group));
    return std::move(closed_);
  }

 private:
  void add(BinGroup group, int64_t room, int64_t length, int64_t times) {
    group.lengths.insert(group.lengths.end(), static_cast<size_t>(times), length);
    room -= length * times;
    const bool full = room == 0 || static_cast<int64_t>(group.lengths.size()) == depth_;
    (full ? closed_ : by_room_[room]).push_back(std::move(group));
  }

  int64_t capacity_, depth_;
  std::map<int64_t, std::vector<BinGroup>> by_room_;  // none is empty
  std::vector<BinGroup> closed_;
};

void place_shortest_pack_first(OpenBins& bins, int64_t length, int64_t left) {
  while (left > 0) {
    const int64_t room = bins.most_room(length);
    if (room < 0) return bins.open(left, length, 1);
    const int64_t count = std::min(left, bins.last(room).count);
    bins.extend(room, count, length, 1);
    left -= count;
  }
}

void place_longest_pack_first(OpenBins& bins, int64_t length, int64_t left, int64_t capacity,
                              int64_t depth) {
  while (left > 0) {
    const int64_t room = bins.least_room(length);
    if (room < 0) {
      const int64_t times = std::min({capacity / length, depth, left});
      bins.open(left / times, length, times);
      left %= times;
      continue;
    }
    const BinGroup& group = bins.last(room);
    const int64_t places = depth - static_cast<int64_t>(group.lengths.size());
    const int64_t times = std::min({room / length, places, left});
    const int64_t count = std::min(left / times, group.count);
    bins.extend(room, count, length, times);
    left -= count * times;
  }
}

}  // namespace

std::vector<BinGroup> pack_histogram(const LengthHistogram& histogram, int64_t capacity,
                                     int64_t depth, PackPolicy policy) {
  CHECK(!packs_a_stream(policy) && capacity >= 1 && histogram.longest() <= capacity && depth >= 0);
  if (depth == 0) depth = capacity;
  OpenBins bins(capacity, depth);
  for (int64_t length = histogram.longest(); length >= 1; --length) {
    const int64_t count = histogram.counts[static_cast<size_t>(length)];
    if (policy == PackPolicy::Spfhp)
      place_shortest_pack_first(bins, length, count);
    else
      place_longest_pack_first(bins, length, count, capacity, depth);
  }
  return bins.take_all();
}

}  // namespace tessera
