// SPDX-License-Identifier: Apache-2.0
// Host memory for the machine: aligned buffers, and places in one buffer for variables that do not
// live at the same time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "support/expected.h"

namespace tessera {

inline constexpr int64_t kHostAlignment = 64;  // a cache line, and the widest vector

// Not initialised; 64-byte aligned, large ones on huge pages where the host has them.
class HostBuffer {
 public:
  HostBuffer() = default;
  // An error where the host has not that much.
  static Expected<HostBuffer> allocate(int64_t bytes);
  std::byte* data() const { return data_.get(); }
  int64_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::byte* data) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  int64_t size_ = 0;
};

// From the first superstep that touches a variable to the last, both included.
struct Lifetime {
  int64_t first = 0;
  int64_t last = 0;
  int64_t bytes = 0;
};
struct Places {
  std::vector<int64_t> offset;  // by lifetime, aligned
  int64_t bytes = 0;            // of the buffer that holds them all
  int64_t compared = 0;         // lifetimes that were looked at to find all of these places
};

// Largest first, each at the lowest place that is free for as long as it lives, or on top of what
// lives with it where that is more than some hundreds; n log n in the lifetimes.
Places place_by_liveness(std::span<const Lifetime> lifetimes);

// Up to the next multiple of the alignment.
constexpr int64_t aligned_size(int64_t bytes) {
  return (bytes + kHostAlignment - 1) / kHostAlignment * kHostAlignment;
}

}  // namespace tessera
