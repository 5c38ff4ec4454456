// SPDX-License-Identifier: Apache-2.0
// How long a batch takes on this host: the slowest of the last ones.
#pragma once

#include <algorithm>
#include <deque>

#include "serving/forming.h"

namespace tessera {

class BatchTimes {
 public:
  bool empty() const { return times_.empty(); }
  Time slowest() const { return *std::max_element(times_.begin(), times_.end()); }

  void add(Time time) {
    times_.push_back(time);
    if (times_.size() > kKept) times_.pop_front();
  }
  // Where a slow batch keeps all requests with deadlines out, none would run to show a faster one.
  // So what was measured counts for less.
  void doubt() {
    for (Time& time : times_) time = std::max(time - time / 10, Time(1));
  }

 private:
  static constexpr size_t kKept = 16;
  std::deque<Time> times_;
};

}  // namespace tessera
