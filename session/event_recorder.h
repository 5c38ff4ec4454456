// SPDX-License-Identifier: Apache-2.0
// Records the events of a session: each way that a request may end, refusals included, and what
// was removed to make room.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "session/ask.h"
#include "session/callers.h"
#include "session/disk_cache.h"
#include "session/event_builder.h"
#include "session/event_log.h"
#include "session/known_executables.h"
#include "session/recompile_budget.h"
#include "session/session.h"

namespace tessera {

// Thread-safe: its parts are.
class EventRecorder {
 public:
  // From the session, which they outlive; `disk` is null if it has no folder.
  struct Sources {
    const DiskCache* disk;
    const KnownExecutables& known;
    const Callers& callers;
    const RecompileBudget& budget;
  };
  EventRecorder(const std::string& model_path, const SessionOptions& options,
                const std::string& cache_error, Sources sources);

  EventLog& log() { return log_; }

  // An event that begins now.
  RecompileEvent begin(const ExecutableKey& key, int64_t request_id) const;
  // Fills in why the executable is not ready.
  void explain(Ask& ask, const DiskLookup& found, const std::vector<KeyRecord>& in_cache) const;
  // Prices the event and records it, and what was removed from the disk for it. Returns its number.
  int64_t finish(Ask& ask);
  // finish, of a request that ends without an executable. Each returns the caller's error.
  Error fail(Ask& ask, const Error& error);
  Error refuse(Ask& ask, const std::string& why);
  // An entry that this session's limits do not admit stays in the cache for others. Compiling it
  // would take as much.
  Error refuse_entry(Ask& ask, const DiskLookup& found);

  // Another batch that is padded as decided before.
  void padded_again(RecompileEvent event, int64_t request_id);
  void evicted(CacheTier tier, const ExecutableKey& key, int64_t bytes);
  // Shapes that have no key: the error is what import would say of them.
  void failed_without_key(const InputShapes& asked, const Error& error);
  void closed();  // for the batches that no event has counted yet

 private:
  int64_t record(RecompileEvent event);

  const std::string model_path_;
  const OnRecompile stance_;
  const Sources sources_;
  EventBuilder builder_;
  EventLog log_;
};

}  // namespace tessera
