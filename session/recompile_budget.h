// SPDX-License-Identifier: Apache-2.0
// The recompiles that a session has made, beside the most that it may make.
#pragma once

#include <atomic>
#include <cstdint>

namespace tessera {

// Thread-safe.
class RecompileBudget {
 public:
  explicit RecompileBudget(int64_t limit) : limit_(limit) {}  // -1: no limit

  void count() { ++used_; }  // a recompile counts even if it fails
  int64_t used() const { return used_; }
  int64_t limit() const { return limit_; }
  bool is_spent() const { return limit_ >= 0 && used_ >= limit_; }

 private:
  const int64_t limit_;
  std::atomic<int64_t> used_ = 0;
};

}  // namespace tessera
