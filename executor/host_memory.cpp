// SPDX-License-Identifier: Apache-2.0
#include "executor/host_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "support/math.h"

namespace tessera {
namespace {

constexpr int64_t kHugePage = int64_t{2} << 20;

// Whether the last huge page is one although it is not full: where that wastes little.
bool ends_huge(int64_t bytes) {
  return bytes >= kHugePage && round_up(bytes, kHugePage) - bytes <= bytes / 8;
}

Error no_room(int64_t bytes) {
  return Error{"host memory: the program needs a buffer of " + std::to_string(bytes) +
               " bytes, which this host cannot give"};
}

}  // namespace

void HostBuffer::Unmap::operator()(std::byte* base) const { ::munmap(base, bytes); }

// Guards and what is between them are one reservation, of which the part between is then opened.
// The room that a huge page's alignment takes in front and behind goes back, so that limits of
// address space count what is used.
Expected<HostBuffer> HostBuffer::allocate(int64_t bytes) {
  const bool huge = bytes >= kHugePage;
  const int64_t page = ::sysconf(_SC_PAGESIZE);
  const int64_t inside = round_up(std::max<int64_t>(bytes, 1), ends_huge(bytes) ? kHugePage : page);
  const int64_t reserved = inside + 2 * page + (huge ? kHugePage : 0);
  void* const memory =
      ::mmap(nullptr, static_cast<size_t>(reserved), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return no_room(bytes);
  HostBuffer buffer;
  auto* base = static_cast<std::byte*>(memory);
  if (huge) {
    const auto first = reinterpret_cast<intptr_t>(base) + page;
    const int64_t before = round_up(first, kHugePage) - first;
    if (before > 0) ::munmap(base, static_cast<size_t>(before));
    base += before;
    const int64_t behind = kHugePage - before;
    if (behind > 0) ::munmap(base + inside + 2 * page, static_cast<size_t>(behind));
  }
  buffer.base_ = {base, Unmap{static_cast<size_t>(inside + 2 * page)}};
  std::byte* const begin = base + page;
  if (::mprotect(begin, static_cast<size_t>(inside), PROT_READ | PROT_WRITE) != 0)
    return no_room(bytes);
  // Only advice: without huge pages the same bytes are there, more slowly.
  if (huge) ::madvise(begin, static_cast<size_t>(inside), MADV_HUGEPAGE);
  buffer.data_ = begin + inside - aligned_size(std::max<int64_t>(bytes, 1));
  buffer.size_ = bytes;
  return buffer;
}

void HostBuffer::fill(std::byte value) const {
  std::memset(data_, static_cast<int>(value), static_cast<size_t>(size_));
}

}  // namespace tessera
