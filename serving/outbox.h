// SPDX-License-Identifier: Apache-2.0
// Results on their way to their callers: each goes out once, without locks, and in the order of
// the requests where that was asked for.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "serving/forming.h"
#include "serving/request.h"

namespace tessera {

// Guarded by the lock that deliver is given.
class Outbox {
 public:
  struct Item {
    RequestId id = 0;
    std::function<void(Expected<Answer>)> done;
    Expected<Answer> result;
  };

  explicit Outbox(bool keep_order) : keep_order_(keep_order) {}

  void put(Item item);
  // Calls what may be called, with the lock released meanwhile. Any thread may do this at any time;
  // in order, one does it for all.
  void deliver(std::unique_lock<std::mutex>& lock);
  // The result went out another way, or there will be none.
  void mark_gone(RequestId id);
  // Every request with a smaller id has had its result.
  RequestId all_gone_below() const { return first_; }

 private:
  std::vector<Item> take();

  bool keep_order_;
  bool delivering_ = false;          // in order: by some thread
  std::map<RequestId, Item> items_;  // by id; those in order wait here for the ones before them
  std::deque<bool> gone_;            // of request first_ + i
  RequestId first_ = 0;
};

}  // namespace tessera
