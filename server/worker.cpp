// SPDX-License-Identifier: Apache-2.0
#include "server/worker.h"

#include "support/guard.h"

namespace tessera::server {

Expected<std::unique_ptr<Worker>> Worker::start(size_t most_waiting) {
  std::unique_ptr<Worker> worker(new Worker(most_waiting));
  worker->thread_ = TRY(start_thread("server", [self = worker.get()] { self->work(); }));
  return worker;
}

Worker::~Worker() { drain(); }

void Worker::drain() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  came_.notify_one();
  const std::lock_guard joining(joining_);
  if (thread_.joinable()) thread_.join();
}

bool Worker::post(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    if (ends_ || jobs_.size() >= most_waiting_) return false;
    jobs_.push_back(std::move(job));
  }
  came_.notify_one();
  return true;
}

size_t Worker::waiting() const {
  const std::lock_guard lock(mutex_);
  return jobs_.size();
}

// An exception that reaches this place is dropped: each job is guarded where it is made.
void Worker::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    came_.wait(lock, [this] { return ends_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    (void)guarded("server", [&]() -> Status {
      job();
      return {};
    });
    lock.lock();
  }
}

}  // namespace tessera::server
