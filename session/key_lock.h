// SPDX-License-Identifier: Apache-2.0
// A lock between processes, and between threads of one: a file that is held by flock. The system
// releases it when its owner ends, however that happens.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "support/expected.h"

namespace tessera {

class KeyLock {
 public:
  // Waits for `patience` at most; an error if the lock is not to be had, or its file cannot be.
  static Expected<KeyLock> take(const std::string& path, std::chrono::milliseconds patience);
  // Nothing if someone holds it.
  static std::optional<KeyLock> try_take(const std::string& path);
  KeyLock(KeyLock&& other) noexcept;
  KeyLock& operator=(KeyLock&&) = delete;
  ~KeyLock();  // removes the file and lets go

 private:
  KeyLock(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  std::string path_;
  int descriptor_;
};

}  // namespace tessera
