// SPDX-License-Identifier: Apache-2.0
// Compiles that no caller waits for, one after the other, in a thread that starts with the first.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "session/model_keys.h"
#include "support/expected.h"

namespace tessera {

// Thread-safe, by a lock of its own, which is not held while it compiles.
class BackgroundCompiles {
 public:
  explicit BackgroundCompiles(std::function<void(const KeyPointer&)> compile)
      : compile_(std::move(compile)) {}
  ~BackgroundCompiles() { stop(); }

  Status push(const KeyPointer& key);  // an error if no thread can be started
  void finish();                       // waits until nothing is left to compile
  void stop();                         // after the compile that is running; drops the others

 private:
  void work();

  const std::function<void(const KeyPointer&)> compile_;
  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::deque<KeyPointer> queue_;
  bool stopped_ = false, working_ = false;
  std::thread thread_;
};

}  // namespace tessera
