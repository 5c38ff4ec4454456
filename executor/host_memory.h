// SPDX-License-Identifier: Apache-2.0
// Host memory for the machine: aligned buffers between guard pages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "support/expected.h"

namespace tessera {

inline constexpr int64_t kHostAlignment = 64;  // a cache line, and the widest vector

// 64-byte aligned, large ones on huge pages where the host has them. It lies between pages that
// nobody may touch, and ends at the second of them, but for what aligns it.
class HostBuffer {
 public:
  HostBuffer() = default;
  // An error where the host does not have that much.
  static Expected<HostBuffer> allocate(int64_t bytes);
  std::byte* data() const { return data_; }
  int64_t size() const { return size_; }
  void fill(std::byte value) const;

 private:
  struct Unmap {
    size_t bytes;
    void operator()(std::byte* base) const;
  };
  std::unique_ptr<std::byte, Unmap> base_;  // of all that is mapped, guards included
  std::byte* data_ = nullptr;
  int64_t size_ = 0;
};

// Up to the next multiple of the alignment.
constexpr int64_t aligned_size(int64_t bytes) {
  return (bytes + kHostAlignment - 1) / kHostAlignment * kHostAlignment;
}

}  // namespace tessera
