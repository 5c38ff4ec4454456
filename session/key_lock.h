// SPDX-License-Identifier: Apache-2.0
// A lock between processes, and between the threads of one: a file that is held by flock. The
// system releases it when its owner ends, even by a kill.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "support/descriptor.h"
#include "support/expected.h"
#include "support/private_folder.h"
#include "support/temporary.h"

namespace tessera {

class KeyLock {
 public:
  // Waits for at most `patience`. An error if the lock is still held then, or if its file cannot be
  // made.
  static Expected<KeyLock> take(const PrivateFolder& folder, const std::string& name,
                                std::chrono::milliseconds patience);
  // Nothing if it is held.
  static std::optional<KeyLock> try_take(const PrivateFolder& folder, const std::string& name);
  KeyLock(KeyLock&& other) noexcept = default;
  KeyLock& operator=(KeyLock&&) = delete;
  ~KeyLock();  // removes the file and releases the lock

 private:
  KeyLock(Descriptor folder, std::string name, Descriptor file)
      : folder_(std::move(folder)),
        name_(std::move(name)),
        file_(std::move(file)),
        removed_(folder_.get(), name_) {}
  Descriptor folder_;
  std::string name_;
  Descriptor file_;
  RemovedBySignal removed_;
};

}  // namespace tessera
