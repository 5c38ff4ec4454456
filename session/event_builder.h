// SPDX-License-Identifier: Apache-2.0
// The content of a session's events: the cause, by comparison with the executables that it knows;
// the price; and what the session so far suggests.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "session/callers.h"
#include "session/disk_cache.h"
#include "session/events.h"
#include "session/key.h"
#include "session/known_executables.h"

namespace tessera {

// When work began, and the CPU time that the process had used by then.
struct WorkStart {
  std::chrono::steady_clock::time_point time;
  double cpu_ms = 0;
  static WorkStart now();
};

// The fields that are the same in every event of a session.
struct SessionFacts {
  std::string model;  // file name
  std::string call_site;
  std::string cache_path;   // "": the session has no folder
  std::string cache_error;  // why it has none although one was asked for
  OnRecompile stance = OnRecompile::Warn;
  int64_t budget = -1;
};

// Thread-safe: only `advise` changes what it holds, under a lock of its own.
class EventBuilder {
 public:
  explicit EventBuilder(SessionFacts facts) : facts_(std::move(facts)) {}

  // An event that begins now. Null: of shapes that make no key, or of none.
  RecompileEvent begin(const ExecutableKey* key, int64_t request_id) const;
  // Kind, causes and differences of a compile, given what the cache answered; `in_cache` are the
  // records of its entries.
  void explain(RecompileEvent& event, const ExecutableKey& key, const DiskLookup& found,
               const std::vector<KeyRecord>& in_cache, const KnownExecutables& known) const;
  // Times of the host, and who waited.
  void price(RecompileEvent& event, const WorkStart& start, const WaitTotals& waiting) const;
  // Adds advice to a recompile. `tessera recompiles advise` computes the whole answer from a log.
  void advise(RecompileEvent& event);

 private:
  const SessionFacts facts_;
  std::mutex mutex_;
  std::set<std::string> recompiled_;  // shapes
  double recompile_ms_ = 0;           // for all of them
};

double milliseconds_since(std::chrono::steady_clock::time_point begin);
int64_t unix_nanoseconds();

}  // namespace tessera
