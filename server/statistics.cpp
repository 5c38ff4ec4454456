// SPDX-License-Identifier: Apache-2.0
#include "server/statistics.h"

#include "serving/rejection.h"

namespace tessera::server {

std::string_view to_string(FailReason reason) {
  switch (reason) {
    case FailReason::Rejected: return "REJECTED";
    case FailReason::Canceled: return "CANCELED";
    case FailReason::Backend: return "BACKEND";
    case FailReason::Other: return "OTHER";
  }
  return "";
}

FailReason fail_reason(const Error& error) {
  if (error.type == rejection::kCancelled) return FailReason::Canceled;
  const int status = protocol_status(error).http;
  if (status == 503 || status == 504) return FailReason::Rejected;
  return status >= 500 ? FailReason::Backend : FailReason::Other;
}

void StatisticsBook::mark_success(uint64_t rows, Nanoseconds whole) {
  using std::chrono::system_clock;
  const auto since = system_clock::now().time_since_epoch();
  now_.last_inference_ms = std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
  now_.success.add(whole);
  now_.inferences += rows;
}

void StatisticsBook::answered(const std::vector<RowRide>& rides, Nanoseconds whole,
                              Nanoseconds output) {
  Nanoseconds queue{0}, pack{0}, run{0};  // of the row that waited or ran longest
  for (const RowRide& row : rides) {
    queue = std::max(queue, row.ride.queue);
    pack = std::max(pack, row.ride.pack);
    run = std::max(run, row.ride.run);
  }
  const std::lock_guard lock(mutex_);
  mark_success(rides.size(), whole);
  now_.queue.add(queue);
  now_.compute_input.add(pack);
  now_.compute_infer.add(run);
  now_.compute_output.add(output);
  for (const RowRide& row : rides) {
    if (any_batch_ && row.batch <= last_batch_) continue;
    any_batch_ = true;
    last_batch_ = row.batch;
    ++now_.executions;
    ModelStatistics::BatchSize& size = now_.by_batch[row.ride.requests];
    size.compute_input.add(row.ride.pack);
    size.compute_infer.add(row.ride.run);
  }
}

void StatisticsBook::answered_alone(int64_t rows, Nanoseconds whole, Nanoseconds queue,
                                    Nanoseconds run) {
  const std::lock_guard lock(mutex_);
  mark_success(static_cast<uint64_t>(rows), whole);
  ++now_.executions;
  now_.queue.add(queue);
  now_.compute_input.add(Nanoseconds(0));
  now_.compute_infer.add(run);
  now_.compute_output.add(Nanoseconds(0));
  constexpr size_t kMostSizes = 1024;  // callers choose them
  if (now_.by_batch.size() < kMostSizes || now_.by_batch.contains(rows)) {
    now_.by_batch[rows].compute_infer.add(run);
    now_.by_batch[rows].compute_input.add(Nanoseconds(0));
  }
}

void StatisticsBook::failed(const Error& error, Nanoseconds whole) {
  const std::lock_guard lock(mutex_);
  now_.fail.add(whole);
  ++now_.fails[static_cast<size_t>(fail_reason(error))];
}

ModelStatistics StatisticsBook::read() const {
  const std::lock_guard lock(mutex_);
  return now_;
}

}  // namespace tessera::server
