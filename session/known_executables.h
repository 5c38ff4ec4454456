// SPDX-License-Identifier: Apache-2.0
// The executables that a session knows: those that it holds ready, those that were removed to make
// room, and the keys that it has used, each with the event that brought its executable.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "session/key.h"
#include "session/key_record.h"
#include "session/memory_cache.h"

namespace tessera {

struct NearestExecutable {
  ExecutableKey key;
  int64_t event = -1;  // that brought it; -1: it is in the cache, and this session never used it
};

// Not thread-safe: a session holds `mutex` around each call.
class KnownExecutables {
 public:
  KnownExecutables(size_t most_ready, int64_t most_bytes) : ready_(most_ready, most_bytes) {}

  // Marks it as used; null if it is not ready.
  const ReadyExecutable* find(const std::string& total) { return ready_.find(total); }
  // Returns what was removed to make room.
  std::vector<ReadyExecutable> insert(ReadyExecutable executable);
  void set_event(const ExecutableKey& key, int64_t event);

  const MemoryCache& ready() const { return ready_; }
  bool was_evicted(const std::string& total) const { return evicted_.contains(total); }
  // The nearest of what this session has used, then of the records of its cache (nearest_key).
  std::optional<NearestExecutable> nearest(const ExecutableKey& wanted,
                                           const std::vector<KeyRecord>& in_cache) const;

 private:
  MemoryCache ready_;
  std::set<std::string> evicted_;  // total digests
  std::vector<std::pair<ExecutableKey, int64_t>> used_;
};

}  // namespace tessera
