// SPDX-License-Identifier: Apache-2.0
// The requests that were handed to a runner, by number, until their results have gone out: each
// waits, then rides in a batch, and gets one result.
#pragma once

#include <mutex>
#include <unordered_map>
#include <vector>

#include "serving/batch_former.h"
#include "serving/metrics.h"
#include "serving/outbox.h"
#include "serving/request.h"

namespace tessera {

// Guarded by the lock that deliver is given.
class Handed {
 public:
  using Done = std::function<void(Expected<Answer>)>;
  struct Pending {
    Request request;
    Done done;      // none once it was called
    Time since{0};  // submission
    Time deadline = kNever;
  };

  explicit Handed(bool keep_order) : outbox_(keep_order) {}

  void add(RequestId id, Pending pending) { waiting_.emplace(id, std::move(pending)); }
  // The requests that wait, in no order.
  std::vector<RequestId> waiting() const;
  // Puts a batch's requests, which wait no more, into an empty vector in the order of its riders.
  // They must not move before the batch has its answers. Where memory cannot be had, those that
  // are there and those that wait are all.
  void board(const FormedBatch& batch, std::vector<Pending>& riders);

  // The result of a request that waits; of those that ride and were not cancelled. Both count.
  void refuse(RequestId id, Error error);
  // `ride` is the batch's, without what each request has of its own.
  void answer(const FormedBatch& batch, std::vector<Pending>& riders, const Ride& ride,
              Expected<std::vector<Answer>> answers, Time end, OnlineMetrics& metrics);

  // Cancelled: the caller calls this, without the lock, and says that it has gone. Null where a
  // riding request has its result, or there is no such request.
  Done take_waiting(RequestId id);
  Done take_riding(RequestId id);
  void mark_gone(RequestId id) { outbox_.mark_gone(id); }

  void deliver(std::unique_lock<std::mutex>& lock) { outbox_.deliver(lock); }
  RequestId all_gone_below() const { return outbox_.all_gone_below(); }

 private:
  std::unordered_map<RequestId, Pending> waiting_;
  std::unordered_map<RequestId, Pending*> riding_;
  Outbox outbox_;
};

}  // namespace tessera
