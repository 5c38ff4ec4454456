// SPDX-License-Identifier: Apache-2.0
// Executables that are ready to run, the least recently used of which go when there are too many.
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

// Not thread-safe. What has gone lives on for as long as someone runs it.
class MemoryCache {
 public:
  MemoryCache(size_t most_entries, int64_t most_bytes)
      : most_entries_(most_entries), most_bytes_(most_bytes) {}

  // Marks it as used; null if there is none of this total digest.
  const ReadyExecutable* find(const std::string& total);
  // What had to go, the longest unused first; never the one that was just put in.
  std::vector<ReadyExecutable> insert(ReadyExecutable ready);
  const std::list<ReadyExecutable>& all() const { return entries_; }  // the last used first
  int64_t bytes() const;

 private:
  size_t most_entries_;
  int64_t most_bytes_;
  std::list<ReadyExecutable> entries_;
};

}  // namespace tessera
