// SPDX-License-Identifier: Apache-2.0
#include "serving/virtual_run.h"

#include <algorithm>
#include <deque>
#include <queue>

namespace tessera {
namespace {

double in_seconds(Time time) { return std::chrono::duration<double>(time).count(); }

class Simulation {
 public:
  Simulation(BatchFormer former, const VirtualOptions& options, const NextArrival& next)
      : former_(std::move(former)), batch_time_(options.batch_time), next_(next) {
    former_.record(options.record);
  }

  void add(const TimedArrival& arrival) { arrivals_.push({arrival, added_++}); }

  VirtualRun run() {
    for (;;) {
      const Time arrival = arrivals_.empty() ? kNever : arrivals_.top().arrival.at;
      const Time done = flights_.empty() ? kNever : flights_.front().end;
      const Time now = std::max(now_, std::min({arrival, done, former_.next_wake(now_)}));
      if (now == kNever) break;
      now_ = now;
      // A batch that ends makes room before a request comes.
      if (done <= now) {
        land();
      } else if (arrival <= now) {
        submit();
      }
      poll();
    }
    out_.metrics = former_.metrics();
    return std::move(out_);
  }

 private:
  struct Queued {
    TimedArrival arrival;
    uint64_t number = 0;
    bool operator<(const Queued& other) const {  // the earliest, then the first, on top
      return std::pair(arrival.at, number) > std::pair(other.arrival.at, other.number);
    }
  };
  struct Flight {
    Time end{0};
    size_t batch = 0;
  };

  void client_goes_on() {
    if (!next_) return;
    if (const std::optional<TimedArrival> arrival = next_(now_)) add(*arrival);
  }

  void submit() {
    const TimedArrival arrival = arrivals_.top().arrival;
    arrivals_.pop();
    if (!former_.submit(arrival.arrival, now_)) client_goes_on();
  }

  void land() {
    const FormedBatch& batch = out_.batches[flights_.front().batch];
    flights_.pop_front();
    former_.done(now_);
    out_.ends.push_back(now_);
    out_.end = now_;
    OnlineMetrics& metrics = former_.metrics();
    for (const FormedBatch::Rider& rider : batch.riders) {
      ++metrics.answered;
      if (now_ > rider.arrival.deadline) ++metrics.missed_answered;
      out_.latencies.push_back(now_ - rider.since);
      metrics.answer_seconds.add(in_seconds(now_ - rider.since));
    }
    for (size_t i = 0; i < batch.riders.size(); ++i) client_goes_on();
  }

  void poll() {
    for (;;) {
      BatchFormer::Poll poll = former_.poll(now_);
      for (size_t i = 0; i < poll.missed.size(); ++i) client_goes_on();
      if (poll.batch) {
        machine_free_ = std::max(machine_free_, now_) + batch_time_;
        flights_.push_back({machine_free_, out_.batches.size()});
        out_.batches.push_back(std::move(*poll.batch));
      } else if (poll.missed.empty()) {
        return;
      }
    }
  }

  BatchFormer former_;
  Time batch_time_;
  const NextArrival& next_;
  std::priority_queue<Queued> arrivals_;
  uint64_t added_ = 0;
  std::deque<Flight> flights_;
  Time now_{0}, machine_free_{0};
  VirtualRun out_;
};

}  // namespace

Expected<VirtualRun> run_virtual(const VirtualOptions& options,
                                 std::span<const TimedArrival> arrivals, const NextArrival& next) {
  if (options.batch_time < Time(1))
    return Error{"virtual run: the time of a batch is below 1 ns, must be at least that",
                 ErrorKind::Usage};
  FormerConfig config = options.config;
  if (config.batch_time == Time(0)) config.batch_time = options.batch_time;
  Simulation simulation(TRY(BatchFormer::create(options.contract, config)), options, next);
  for (const TimedArrival& arrival : arrivals) simulation.add(arrival);
  return simulation.run();
}

}  // namespace tessera
