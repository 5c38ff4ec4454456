// SPDX-License-Identifier: Apache-2.0
// Memory that callers can have a server hold at one time: bodies that arrive, answers on their way.
// A body or an answer that does not fit is refused before it is allocated.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "support/expected.h"

namespace tessera::server {

class MemoryBudget {
 public:
  explicit MemoryBudget(int64_t most) : most_(most) {}

  // False: it would be more than there may be. Thread-safe.
  bool take(int64_t bytes) {
    if (held_.fetch_add(bytes) + bytes <= most_) return true;
    held_ -= bytes;
    return false;
  }
  void give_back(int64_t bytes) { held_ -= bytes; }
  int64_t held() const { return held_; }
  int64_t most() const { return most_; }

 private:
  int64_t most_;
  std::atomic<int64_t> held_{0};
};

// The memory that one caller holds, given back when it goes.
class HeldMemory {
 public:
  HeldMemory() = default;
  explicit HeldMemory(std::shared_ptr<MemoryBudget> budget) : budget_(std::move(budget)) {}
  HeldMemory(HeldMemory&& other) noexcept
      : budget_(std::move(other.budget_)), bytes_(std::exchange(other.bytes_, 0)) {}
  HeldMemory& operator=(HeldMemory&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~HeldMemory() {
    if (budget_) budget_->give_back(bytes_);
  }

  bool take(int64_t bytes) {
    if (!budget_ || !budget_->take(bytes)) return budget_ == nullptr;
    bytes_ += bytes;
    return true;
  }
  // After a take() that was refused, for the caller.
  Error refusal() const;

 private:
  std::shared_ptr<MemoryBudget> budget_;  // null: without limit
  int64_t bytes_ = 0;
};

}  // namespace tessera::server
