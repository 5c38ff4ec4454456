// SPDX-License-Identifier: Apache-2.0
// Bytes that end where a page ends that nobody may touch, with another such page in front: code
// that no sanitizer has seen, as what the JIT makes, faults at the first byte past the end.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <span>
#include <utility>

#include "support/check.h"

namespace tessera::fuzz {

class GuardedBuffer {
 public:
  explicit GuardedBuffer(size_t size) : size_(size) {
    const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    const size_t inside = (size + page - 1) / page * page;
    mapped_ = inside + 2 * page;
    void* const base =
        ::mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(base != MAP_FAILED);
    base_ = static_cast<std::byte*>(base);
    if (inside > 0) CHECK(::mprotect(base_ + page, inside, PROT_READ | PROT_WRITE) == 0);
    data_ = base_ + page + inside - size;
  }
  GuardedBuffer(GuardedBuffer&& other) noexcept
      : base_(std::exchange(other.base_, nullptr)),
        mapped_(other.mapped_),
        data_(other.data_),
        size_(other.size_) {}
  GuardedBuffer& operator=(GuardedBuffer&&) = delete;
  ~GuardedBuffer() {
    if (base_ != nullptr) ::munmap(base_, mapped_);
  }
  std::span<std::byte> bytes() const { return {data_, size_}; }

 private:
  std::byte* base_ = nullptr;
  size_t mapped_ = 0;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace tessera::fuzz
