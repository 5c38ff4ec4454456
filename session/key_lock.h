// SPDX-License-Identifier: Apache-2.0
// A lock between processes, and between threads of one: a file that is held by flock. The system
// releases it when its owner ends, however that happens.
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
  // Waits for `patience` at most; an error if the lock is not to be had, or its file cannot be.
  static Expected<KeyLock> take(const PrivateFolder& folder, const std::string& name,
                                std::chrono::milliseconds patience);
  // Nothing if someone holds it.
  static std::optional<KeyLock> try_take(const PrivateFolder& folder, const std::string& name);
  KeyLock(KeyLock&& other) noexcept = default;
  KeyLock& operator=(KeyLock&&) = delete;
  ~KeyLock();  // removes the file and lets go

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
