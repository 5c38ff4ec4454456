// SPDX-License-Identifier: Apache-2.0
// Executables that are ready to run. When there are too many, the least recently used are removed.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "executor/model_runner.h"
#include "session/key.h"

namespace tessera {

struct ReadyExecutable {
  ExecutableKey key;
  std::shared_ptr<ModelRunner> runner;
  int64_t bytes = 0;  // of host memory
};

// Not thread-safe. A runner that was removed lives on for as long as somebody runs it.
class MemoryCache {
 public:
  MemoryCache(size_t most_entries, int64_t most_bytes)
      : most_entries_(most_entries), most_bytes_(most_bytes) {}

  // The executable of this total digest, which is marked as used; null if there is none.
  const ReadyExecutable* find(const std::string& total);
  // Returns what was removed, the least recently used first; never the one that was just inserted.
  std::vector<ReadyExecutable> insert(ReadyExecutable ready);
  const std::list<ReadyExecutable>& all() const {
    return entries_;
  }  // the most recently used first
  int64_t bytes() const;

 private:
  size_t most_entries_;
  int64_t most_bytes_;
  std::list<ReadyExecutable> entries_;
};

}  // namespace tessera
