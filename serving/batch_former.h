// SPDX-License-Identifier: Apache-2.0
// Decides which requests ride in which batch, and when a batch is closed: the whole of online
// packing but its threads and its clock. Events come in with the time at which they happened,
// batches come out, and nothing else is looked at; so a virtual clock, a recorded run and real
// threads (serving/pack_runner.h) all run this code, and the same events give the same batches.
//
// A batch may be closed while another one runs, so that it is packed by the time the machine is
// free: at most two are in flight. A batch is closed when there is room for it in flight and
//   tokens     the rule leaves someone out, or no cell is free
//   segments   it holds as many requests as a batch may
//   drain      drain or close was called after its oldest request came
//   flush      flush was called after its oldest request came
//   deadline   a request in it would miss its deadline if the batch were sent later
//   timeout    its oldest request has waited `timeout`
// While the machine is busy with one batch, the next is closed only if waiting cannot make it
// better (the rule's window is full), or when the machine will be free within `lead`.
//
// Service. In each batch the `pinned` oldest requests are placed first; they always fit, as
// pinned() is at most the number of requests that fit whatever their lengths. After them higher
// priority goes first, then the earlier deadline, then the older. Under the rule Window, of the
// requests of one priority those that would miss their deadline in the next batch go first, in that
// order, and then the others, longest first.
//
// No request starves: one that found n others waiting when it came rides at the latest in the
// (n / pinned() + 1)-th batch formed after that. For each of these batches either takes it or takes
// pinned() of those n. Every batch checks this (FormedBatch::Rider), always.
#pragma once

#include <optional>
#include <vector>

#include "packing/batch_packer.h"
#include "packing/pack.h"
#include "serving/forming.h"
#include "serving/metrics.h"
#include "serving/waiting_queue.h"
#include "support/expected.h"

namespace tessera {

// Not thread-safe. Times must not go back; those given with an event count.
class BatchFormer {
 public:
  // Errors: a rule that is out of range or must know all requests, a limit below one request.
  static Expected<BatchFormer> create(const PackingContract& contract, const FormerConfig& config);

  // The id, in the order of admission from 0. The length must be in 1 .. longest_request.
  // Refused, by Error::type: closed; queue_full; deadline, where no batch can be done by then, or
  // where even full ones could not beside the requests that were admitted with one no later.
  Expected<RequestId> submit(const Arrival& arrival, Time now);
  // Whether submit would find the queue full.
  bool has_room(int64_t length) const;
  // True if it was waiting, and now is not.
  bool cancel(RequestId id, Time now);
  void flush(Time now);  // who is waiting waits for no others
  void drain(Time now);  // the same, under another name in the metrics
  void close(Time now);  // drain, and no request is admitted any more
  void done(Time now);   // the oldest batch in flight has ended
  // From now on; what was planned with another stays.
  void set_batch_time(Time batch_time, Time now);

  struct Poll {
    std::vector<RequestId> missed;  // can no longer meet their deadline, and wait no more
    std::optional<FormedBatch> batch;
  };
  // Call after every event and at next_wake, until it gives neither.
  Poll poll(Time now);
  // When poll might give something although no event comes; kNever: an event must come first.
  Time next_wake(Time now) const;
  // False if poll(now) certainly gives nothing that it did not give before the last submit.
  bool worth_polling() const;

  bool closed() const { return closed_; }
  size_t waiting() const { return queue_.size(); }
  Time oldest_wait(Time now) const {  // 0: nobody waits
    return queue_.empty() ? Time(0) : now - queue_.oldest().since;
  }
  int in_flight() const { return in_flight_; }
  RequestId next_id() const { return next_id_; }
  int64_t pinned() const { return pinned_; }
  Time batch_time() const { return config_.batch_time; }
  const FormerConfig& config() const { return config_; }
  const OnlineMetrics& metrics() const { return metrics_; }
  OnlineMetrics& metrics() { return metrics_; }  // for what only a caller knows
  void record(FormerRecorder recorder) { recorder_ = std::move(recorder); }

 private:
  BatchFormer(const PackingContract& contract, const FormerConfig& config);
  Status check_deadline(const Arrival& arrival, Time now) const;
  Time start_of_next(Time now) const { return std::max(now, free_at_); }
  bool may_overflow() const;
  bool machine_is_near(Time now) const;
  void pack_waiting(Time now);
  std::optional<CloseReason> reason_when_full(bool near);
  std::optional<CloseReason> reason_to_close(Time now);
  FormedBatch take_batch(CloseReason reason, Time now);
  void take_missed(Time now, std::vector<RequestId>& missed);
  void count_queue();
  void tell(const FormerEvent& event) const;

  FormerConfig config_;
  int64_t longest_ = 0, most_requests_ = 0, pinned_ = 0, row_tokens_ = 0, delimiters_ = 0;
  int64_t no_overflow_tokens_ = 0;  // while at most this many tokens wait, they fit one batch

  WaitingQueue queue_;
  BatchPacker packer_;
  std::vector<const Waiting*> candidates_;  // as packer_'s placements number them
  std::vector<Candidate> lengths_;
  size_t pack_again_at_ = 0;  // a busy machine: packing is not worth while before this many wait

  RequestId next_id_ = 0;
  RequestId flush_below_ = 0, drain_below_ = 0;
  bool closed_ = false;
  int in_flight_ = 0;
  Time free_at_{0};  // when all that is in flight should have ended
  int64_t formed_ = 0;
  OnlineMetrics metrics_;
  FormerRecorder recorder_;
};

}  // namespace tessera
