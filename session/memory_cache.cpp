// SPDX-License-Identifier: Apache-2.0
#include "session/memory_cache.h"

#include <algorithm>

namespace tessera {

const ReadyExecutable* MemoryCache::find(const std::string& total) {
  const auto found = std::ranges::find_if(
      entries_, [&](const ReadyExecutable& e) { return e.key.digests.total == total; });
  if (found == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found);
  return &entries_.front();
}

std::vector<ReadyExecutable> MemoryCache::insert(ReadyExecutable ready) {
  entries_.push_front(std::move(ready));
  std::vector<ReadyExecutable> gone;
  while (entries_.size() > 1 && (entries_.size() > most_entries_ || bytes() > most_bytes_)) {
    gone.push_back(std::move(entries_.back()));
    entries_.pop_back();
  }
  return gone;
}

int64_t MemoryCache::bytes() const {
  int64_t bytes = 0;
  for (const ReadyExecutable& entry : entries_) bytes += entry.bytes;
  return bytes;
}

}  // namespace tessera
