// SPDX-License-Identifier: Apache-2.0
#include "executor/host_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <string>

namespace tessera {
namespace {

constexpr int64_t kHugePage = int64_t{2} << 20;

bool live_together(const Lifetime& a, const Lifetime& b) {
  return a.first <= b.last && b.first <= a.last;
}

struct Taken {
  int64_t begin, end;
};

// The lowest gap of `bytes` between what is taken.
int64_t lowest_gap(std::vector<Taken> taken, int64_t bytes) {
  std::sort(taken.begin(), taken.end(), [](Taken a, Taken b) { return a.begin < b.begin; });
  int64_t offset = 0;
  for (const Taken& t : taken) {
    if (t.begin - offset >= bytes) break;
    offset = std::max(offset, t.end);
  }
  return offset;
}

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

Places place_by_liveness(std::span<const Lifetime> lifetimes) {
  std::vector<size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  Places places;
  places.offset.resize(lifetimes.size());
  for (size_t i = 0; i < order.size(); ++i) {
    const Lifetime& mine = lifetimes[order[i]];
    std::vector<Taken> taken;
    for (size_t j = 0; j < i; ++j) {
      const Lifetime& other = lifetimes[order[j]];
      const int64_t offset = places.offset[order[j]];
      if (live_together(mine, other)) taken.push_back({offset, offset + aligned_size(other.bytes)});
    }
    const int64_t offset = lowest_gap(std::move(taken), aligned_size(mine.bytes));
    places.offset[order[i]] = offset;
    places.bytes = std::max(places.bytes, offset + aligned_size(mine.bytes));
  }
  return places;
}

}  // namespace tessera
