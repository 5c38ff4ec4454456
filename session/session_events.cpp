// SPDX-License-Identifier: Apache-2.0
// Where the events of a session are recorded: each way that a request may end, refusals included.
#include "session/key.h"
#include "session/session_impl.h"

namespace tessera {

void Session::Impl::explain(Ask& ask, const DiskLookup& found,
                            const std::vector<KeyRecord>& in_cache) {
  const std::lock_guard lock(mutex);
  builder.explain(ask.event, *ask.key, found, in_cache, known);
}

Error Session::Impl::refuse(Ask& ask, const std::string& why) {
  RecompileEvent& event = ask.event;
  event.kind = EventKind::Rejected;
  event.policy.action = PolicyAction::Rejected;
  const std::string difference = difference_in_words(event.difference, event.changes);
  const Error error{model_path + ": " +
                        (difference.empty() ? to_string(event.shapes) : difference) +
                        ": has no executable yet, and " + why,
                    ErrorKind::Refused};
  event.error = error.message;
  finish(ask);
  return error;
}

// An entry that this session's limits do not admit stays in the cache for others. Compiling it
// would take as much.
Error Session::Impl::refuse_entry(Ask& ask, const DiskLookup& found) {
  RecompileEvent& event = ask.event;
  event.kind = EventKind::Rejected;
  event.causes = {Cause::Limit};
  event.policy.action = PolicyAction::Rejected;
  event.cache.outcome = CacheOutcome::Reject;
  event.cache.error = event.error = found.reason;
  finish(ask);
  return Error{found.reason, ErrorKind::Refused, "limit"};
}

int64_t Session::Impl::finish(Ask& ask) {
  RecompileEvent& event = ask.event;
  if (disk) {
    const DiskUsage usage = disk->usage();
    event.cache.entries = usage.entries;
    event.cache.bytes = usage.bytes;
    log.set_cache_bytes(usage.bytes);
  }
  {
    const std::lock_guard lock(mutex);
    event.policy.budget_used = recompiles;
    builder.price(event, ask.start, callers.waiting_for(ask.key->digests.total, ask.start.time));
  }
  const int64_t id = record(std::move(event));
  for (const KeyRecord& gone : ask.evicted)
    record_evicted(CacheTier::Disk, gone.key, gone.executable_bytes);
  return id;
}

int64_t Session::Impl::record(RecompileEvent event) {
  {
    const std::lock_guard lock(mutex);
    builder.advise(event);
  }
  const bool tells = options.on_recompile != OnRecompile::Allow &&
                     event.kind != EventKind::Closed && event.kind != EventKind::Evicted;
  if (!tells) return log.record(std::move(event));
  RecompileEvent told = event;
  told.id = log.record(std::move(event));
  log.tell(to_human_line(told));
  return told.id;
}

void Session::Impl::record_evicted(CacheTier tier, const ExecutableKey& key, int64_t bytes) {
  RecompileEvent event = builder.begin(&key, -1);
  event.kind = EventKind::Evicted;
  event.causes = {Cause::Limit};
  event.policy.action = PolicyAction::Evicted;
  event.cache.tier = tier;
  event.cache.outcome = CacheOutcome::Evict;
  event.artifact.bytes = bytes;
  record(std::move(event));
}

// Shapes that have no key: what import would say of them.
void Session::Impl::record_failure(const InputShapes& asked, const Error& error) {
  RecompileEvent event = builder.begin(nullptr, -1);
  event.causes = {Cause::FirstSeen};
  event.shapes = asked;
  event.error = error.message;
  event.policy.action = PolicyAction::None;
  event.requests_blocked = 1;
  record(std::move(event));
}

// For the batches that no event has counted yet.
void Session::Impl::record_close() {
  if (!log.has_counts()) return;
  RecompileEvent event = builder.begin(nullptr, -1);
  event.kind = EventKind::Closed;
  event.policy.action = PolicyAction::None;
  event.cache.outcome = disk ? CacheOutcome::Miss : CacheOutcome::Off;
  record(std::move(event));
}

}  // namespace tessera
