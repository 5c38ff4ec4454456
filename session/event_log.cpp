// SPDX-License-Identifier: Apache-2.0
#include "session/event_log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <random>
#include <utility>

#include "support/file.h"
#include "support/plain_text.h"

namespace tessera {
namespace {

std::string random_run_id() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

}  // namespace

EventLog::EventLog(EventLogOptions options)
    : options_(std::move(options)), run_id_(random_run_id()) {}

void EventLog::count(const InputShapes& shapes) {
  const std::lock_guard lock(mutex_);
  ++counts_[shapes];
  metrics_.answered(shapes);
}

int64_t EventLog::record(RecompileEvent event) {
  std::string line;
  bool failed_now = false;
  {
    const std::lock_guard lock(mutex_);
    event.id = next_++;
    event.run_id = run_id_;
    event.pid = ::getpid();
    if (event.is_compile()) event.compile_id = fmt::format("{}/{}", event.model, compiles_++);
    for (auto& [shapes, batches] : std::exchange(counts_, {}))
      event.served.push_back({shapes, batches});
    metrics_.add(event);
    events_.push_back(event);
    if (events_.size() > options_.most_events) events_.pop_front();
    // Under the lock, so that lines stand in the order of their numbers.
    const Status written =
        options_.path.empty() ? Status() : append_line(options_.path, to_json_line(event));
    failed_now = !written.ok() && !std::exchange(file_failed_, true);
    if (failed_now) line = written.error().message;
  }
  if (failed_now) tell("events are lost: " + line);
  return event.id;
}

void EventLog::tell(const std::string& line) const {
  if (options_.tell) options_.tell(visible(line));
}

std::vector<RecompileEvent> EventLog::events() const {
  const std::lock_guard lock(mutex_);
  return {events_.begin(), events_.end()};
}

SessionCounts EventLog::counts() const {
  const std::lock_guard lock(mutex_);
  return metrics_.counts();
}

std::string EventLog::metrics_text() const {
  const std::lock_guard lock(mutex_);
  return metrics_.text();
}

void EventLog::set_cache_bytes(int64_t bytes) {
  const std::lock_guard lock(mutex_);
  metrics_.set_cache_bytes(bytes);
}

bool EventLog::has_counts() const {
  const std::lock_guard lock(mutex_);
  return !counts_.empty();
}

}  // namespace tessera
