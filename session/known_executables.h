// SPDX-License-Identifier: Apache-2.0
// The executables that a session knows: those that it holds ready, those that were removed to make
// room, and the keys that it has used, each with the event that brought its executable.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
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

// Thread-safe, by a lock of its own.
class KnownExecutables {
 public:
  KnownExecutables(size_t most_ready, int64_t most_bytes) : ready_(most_ready, most_bytes) {}

  // The runner of this total digest, which is marked as used; null if it is not ready.
  std::shared_ptr<ModelRunner> find(const std::string& total);

  struct Insertion {
    std::vector<ReadyExecutable> gone;   // removed to make room
    int64_t ready = 0, ready_bytes = 0;  // all that are ready then
  };
  Insertion insert(ReadyExecutable executable);
  void set_event(const ExecutableKey& key, int64_t event);

  bool was_evicted(const std::string& total) const;
  // The nearest of what this session has used, then of the records of its cache (nearest_key).
  std::optional<NearestExecutable> nearest(const ExecutableKey& wanted,
                                           const std::vector<KeyRecord>& in_cache) const;
  // The smallest executable, ready or in the cache, that serves padded batches of this key.
  std::optional<ExecutableKey> larger_for(const ExecutableKey& asked,
                                          const std::vector<KeyRecord>& in_cache) const;

 private:
  mutable std::mutex mutex_;
  MemoryCache ready_;
  std::set<std::string> evicted_;  // total digests
  std::vector<std::pair<ExecutableKey, int64_t>> used_;
};

}  // namespace tessera
