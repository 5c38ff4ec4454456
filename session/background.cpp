// SPDX-License-Identifier: Apache-2.0
#include "session/background.h"

#include "support/guard.h"

namespace tessera {

Status BackgroundCompiles::push(const KeyPointer& key) {
  const std::lock_guard lock(mutex_);
  if (!thread_.joinable())
    thread_ = TRY(start_thread("no compile in the background", [this] { work(); }));
  queue_.push_back(key);
  wake_.notify_one();
  return {};
}

void BackgroundCompiles::finish() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [&] { return queue_.empty() && !working_; });
}

void BackgroundCompiles::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    queue_.clear();
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void BackgroundCompiles::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return stopped_ || !queue_.empty(); });
    if (stopped_) return;
    const KeyPointer key = queue_.front();
    queue_.pop_front();
    working_ = true;
    lock.unlock();
    compile_(key);
    lock.lock();
    working_ = false;
    idle_.notify_all();
  }
}

}  // namespace tessera
