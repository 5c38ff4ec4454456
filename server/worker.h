// SPDX-License-Identifier: Apache-2.0
// A thread that does one job after another: what takes too long for the threads that serve
// connections. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "support/expected.h"

namespace tessera::server {

class Worker {
 public:
  static Expected<std::unique_ptr<Worker>> start(size_t most_waiting);
  ~Worker();  // drain()

  // False: too many wait, or it has ended.
  bool post(std::function<void()> job);
  size_t waiting() const;
  size_t most_waiting() const { return most_waiting_; }
  void drain();  // takes no more, does what waits, and ends

 private:
  explicit Worker(size_t most_waiting) : most_waiting_(most_waiting) {}
  void work();

  const size_t most_waiting_;
  mutable std::mutex mutex_;
  std::condition_variable came_;
  std::deque<std::function<void()>> jobs_;
  bool ends_ = false;
  std::mutex joining_;
  std::thread thread_;
};

}  // namespace tessera::server
