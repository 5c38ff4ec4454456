// SPDX-License-Identifier: Apache-2.0
// Admitted requests that no batch has taken yet, by age, by rank and by deadline.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "serving/forming.h"

namespace tessera {

// Seconds that a file gives, as a batch can take: neither less than none nor more than a year.
inline double seconds_of_batch(double seconds) {
  constexpr double kYear = 365.0 * 24 * 3600;
  return seconds > 0 ? std::min(seconds, kYear) : 0;
}

struct Waiting {
  RequestId id = 0;
  Arrival arrival;
  Time since{0};
  int64_t others = 0;         // that waited when it came
  int64_t formed_before = 0;  // batches formed when it came
};

// Not thread-safe. Everything is logarithmic in the number that wait.
class WaitingQueue {
 public:
  // Ids must grow.
  void push(const Waiting& waiting);
  // False if it does not wait here.
  bool erase(RequestId id);

  size_t size() const { return by_age_.size(); }
  bool empty() const { return by_age_.empty(); }
  int64_t tokens() const { return tokens_; }
  const Waiting& oldest() const { return by_age_.begin()->second; }
  // The earliest that anyone has, or kNever.
  Time earliest_deadline() const;
  const Waiting& most_pressing() const { return **by_deadline_.begin(); }

  // In the order of service: the `pinned` oldest, then by rank: higher priority, earlier deadline,
  // older. Ends with all, or with at least `enough` that have at least `enough_tokens`. Pointers
  // hold until their request is erased.
  void in_order(size_t pinned, size_t enough, int64_t enough_tokens,
                std::vector<const Waiting*>& out) const;
  // Whether requests with a deadline of at most `deadline` are more than `count` or have more than
  // `tokens` tokens.
  bool due_exceed(Time deadline, int64_t count, int64_t tokens) const;

 private:
  struct ByRank {
    bool operator()(const Waiting* a, const Waiting* b) const;
  };
  struct ByDeadline {
    bool operator()(const Waiting* a, const Waiting* b) const;
  };
  std::map<RequestId, Waiting> by_age_;
  std::set<const Waiting*, ByRank> by_rank_;
  std::set<const Waiting*, ByDeadline> by_deadline_;  // of those that have one
  int64_t tokens_ = 0;
};

}  // namespace tessera
