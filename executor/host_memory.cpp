// SPDX-License-Identifier: Apache-2.0
#include "executor/host_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <string>

namespace tessera {
namespace {

constexpr int64_t kHugePage = int64_t{2} << 20;

}  // namespace

void HostBuffer::Free::operator()(std::byte* data) const { std::free(data); }

Expected<HostBuffer> HostBuffer::allocate(int64_t bytes) {
  HostBuffer buffer;
  const int64_t alignment = bytes >= kHugePage ? kHugePage : kHostAlignment;
  const int64_t size = (std::max<int64_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  buffer.data_.reset(static_cast<std::byte*>(
      std::aligned_alloc(static_cast<size_t>(alignment), static_cast<size_t>(size))));
  if (!buffer.data_) {
    return Error{"host memory: the program needs a buffer of " + std::to_string(bytes) +
                 " bytes, which this host cannot give"};
  }
  // Only advice: without huge pages the same bytes are there, more slowly.
  if (alignment == kHugePage) madvise(buffer.data_.get(), static_cast<size_t>(size), MADV_HUGEPAGE);
  buffer.size_ = bytes;
  return buffer;
}

}  // namespace tessera
