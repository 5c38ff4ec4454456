// SPDX-License-Identifier: Apache-2.0
// Largest first, each at the lowest place that is free for as long as it lives: of those that are
// placed already, only the ones that live at some time with it are looked at. Where those are too
// many to compare, it goes on top of them all, so that the whole is n log n whatever lives
// together.
//
// Two variables that live together do so when the later of them begins, so time is the list of
// beginnings alone.
#include <algorithm>
#include <numeric>
#include <optional>
#include <set>

#include "executor/host_memory.h"

namespace tessera {
namespace {

constexpr size_t kMostNeighbours = 256;

struct Taken {
  int64_t begin, end;
};

// The lowest gap of `bytes` between what is taken.
int64_t lowest_gap(std::vector<Taken> taken, int64_t bytes) {
  std::sort(taken.begin(), taken.end(), [](Taken a, Taken b) { return a.begin < b.begin; });
  int64_t offset = 0;
  for (const Taken& t : taken) {
    if (t.begin - offset >= bytes) break;
    offset = std::max(offset, t.end);
  }
  return offset;
}

// What is placed, over a tree of times: an item stands at the few nodes that make up its life.
class Timeline {
 public:
  explicit Timeline(size_t times) {
    while (leaves_ < times) leaves_ *= 2;
    items_.resize(2 * leaves_);
    top_of_all_.resize(2 * leaves_);
    top_of_any_.resize(2 * leaves_);
  }

  // Times are [from,to).
  void add(size_t from, size_t to, Taken item) {
    each_node(from, to, [&](size_t node) {
      items_[node].push_back(item);
      top_of_all_[node] = std::max(top_of_all_[node], item.end);
      for (; node > 0 && top_of_any_[node] < item.end; node /= 2) top_of_any_[node] = item.end;
    });
    begins_.insert({from, begins_.size()});
    by_begin_.push_back(item);
  }

  // What lives at some of these times; nothing if that is too many.
  std::optional<std::vector<Taken>> neighbours(size_t from, size_t to) const {
    std::vector<Taken> found;
    for (size_t node = from + leaves_; node > 0; node /= 2) {
      if (found.size() + items_[node].size() > kMostNeighbours) return std::nullopt;
      found.insert(found.end(), items_[node].begin(), items_[node].end());
    }
    for (auto next = begins_.lower_bound({from + 1, 0}); next != begins_.end(); ++next) {
      if (next->first >= to) break;
      if (found.size() == kMostNeighbours) return std::nullopt;
      found.push_back(by_begin_[next->second]);
    }
    return found;
  }

  // Above everything that lives at some of these times.
  int64_t top(size_t from, size_t to) const {
    int64_t top = 0;
    each_node(from, to, [&](size_t node) {
      top = std::max(top, top_of_any_[node]);
      for (node /= 2; node > 0; node /= 2) top = std::max(top, top_of_all_[node]);
    });
    return top;
  }

 private:
  template <class Call>
  void each_node(size_t from, size_t to, Call&& call) const {
    for (from += leaves_, to += leaves_; from < to; from /= 2, to /= 2) {
      if (from % 2 == 1) call(from++);
      if (to % 2 == 1) call(--to);
    }
  }

  size_t leaves_ = 1;
  std::vector<std::vector<Taken>> items_;       // by node of the tree; 1 is the root
  std::vector<int64_t> top_of_all_;             // of those that live at all of the node's times
  std::vector<int64_t> top_of_any_;             // of those that live at some
  std::set<std::pair<size_t, size_t>> begins_;  // when, and its number in by_begin_
  std::vector<Taken> by_begin_;
};

}  // namespace

Places place_by_liveness(std::span<const Lifetime> lifetimes) {
  std::vector<size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  std::vector<int64_t> times;
  for (const Lifetime& life : lifetimes) times.push_back(life.first);
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
  const auto before = [&times](auto end) { return static_cast<size_t>(end - times.begin()); };

  Timeline timeline(times.size());
  Places places;
  places.offset.resize(lifetimes.size());
  for (const size_t i : order) {
    const Lifetime& life = lifetimes[i];
    const int64_t bytes = aligned_size(life.bytes);
    int64_t offset = 0;
    if (life.first <= life.last) {  // else it never lives
      const size_t from = before(std::lower_bound(times.begin(), times.end(), life.first));
      const size_t to = before(std::upper_bound(times.begin(), times.end(), life.last));
      auto neighbours = timeline.neighbours(from, to);
      places.compared += neighbours ? static_cast<int64_t>(neighbours->size()) : 1;
      offset = neighbours ? lowest_gap(std::move(*neighbours), bytes) : timeline.top(from, to);
      timeline.add(from, to, {offset, offset + bytes});
    }
    places.offset[i] = offset;
    places.bytes = std::max(places.bytes, offset + bytes);
  }
  return places;
}

}  // namespace tessera
