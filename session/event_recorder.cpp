// SPDX-License-Identifier: Apache-2.0
#include "session/event_recorder.h"

#include <filesystem>
#include <utility>

#include "session/key.h"

namespace tessera {
namespace {

SessionFacts facts_of(const std::string& model_path, const SessionOptions& options, bool has_cache,
                      const std::string& cache_error) {
  return {.model = std::filesystem::path(model_path).filename(),
          .call_site = options.call_site,
          .cache_path = has_cache ? options.cache_dir : "",
          .cache_error = cache_error,
          .stance = options.on_recompile,
          .budget = options.recompile_limit};
}

}  // namespace

EventRecorder::EventRecorder(const std::string& model_path, const SessionOptions& options,
                             const std::string& cache_error, Sources sources)
    : model_path_(model_path),
      stance_(options.on_recompile),
      sources_(sources),
      builder_(facts_of(model_path, options, sources.disk != nullptr, cache_error)),
      log_({.path = options.events_path, .tell = options.tell}) {}

RecompileEvent EventRecorder::begin(const ExecutableKey& key, int64_t request_id) const {
  return builder_.begin(&key, request_id);
}

void EventRecorder::explain(Ask& ask, const DiskLookup& found,
                            const std::vector<KeyRecord>& in_cache) const {
  builder_.explain(ask.event, *ask.key, found, in_cache, sources_.known);
}

int64_t EventRecorder::finish(Ask& ask) {
  RecompileEvent& event = ask.event;
  if (sources_.disk) {
    const DiskUsage usage = sources_.disk->usage();
    event.cache.entries = usage.entries;
    event.cache.bytes = usage.bytes;
    log_.set_cache_bytes(usage.bytes);
  }
  event.policy.budget_used = sources_.budget.used();
  builder_.price(event, ask.start,
                 sources_.callers.waiting_for(ask.key->digests.total, ask.start.time));
  const int64_t id = record(std::move(event));
  for (const KeyRecord& gone : ask.evicted)
    evicted(CacheTier::Disk, gone.key, gone.executable_bytes);
  return id;
}

Error EventRecorder::fail(Ask& ask, const Error& error) {
  ask.event.error = error.message;
  finish(ask);
  return error;
}

Error EventRecorder::refuse(Ask& ask, const std::string& why) {
  RecompileEvent& event = ask.event;
  event.kind = EventKind::Rejected;
  event.policy.action = PolicyAction::Rejected;
  const std::string difference = difference_in_words(event.difference, event.changes);
  return fail(ask,
              {model_path_ + ": " + (difference.empty() ? to_string(event.shapes) : difference) +
                   ": has no executable yet, and " + why,
               ErrorKind::Refused});
}

Error EventRecorder::refuse_entry(Ask& ask, const DiskLookup& found) {
  RecompileEvent& event = ask.event;
  event.kind = EventKind::Rejected;
  event.causes = {Cause::Limit};
  event.policy.action = PolicyAction::Rejected;
  event.cache.outcome = CacheOutcome::Reject;
  event.cache.error = found.reason;
  return fail(ask, {found.reason, ErrorKind::Refused, "limit"});
}

void EventRecorder::padded_again(RecompileEvent event, int64_t request_id) {
  event.ts_unix_ns = unix_nanoseconds();
  event.request_id = request_id;
  event.policy.budget_used = sources_.budget.used();
  log_.record(std::move(event));
}

void EventRecorder::evicted(CacheTier tier, const ExecutableKey& key, int64_t bytes) {
  RecompileEvent event = builder_.begin(&key, -1);
  event.kind = EventKind::Evicted;
  event.causes = {Cause::Limit};
  event.policy.action = PolicyAction::Evicted;
  event.cache.tier = tier;
  event.cache.outcome = CacheOutcome::Evict;
  event.artifact.bytes = bytes;
  record(std::move(event));
}

void EventRecorder::failed_without_key(const InputShapes& asked, const Error& error) {
  RecompileEvent event = builder_.begin(nullptr, -1);
  event.causes = {Cause::FirstSeen};
  event.shapes = asked;
  event.error = error.message;
  event.policy.action = PolicyAction::None;
  event.requests_blocked = 1;
  record(std::move(event));
}

void EventRecorder::closed() {
  if (!log_.has_counts()) return;
  RecompileEvent event = builder_.begin(nullptr, -1);
  event.kind = EventKind::Closed;
  event.policy.action = PolicyAction::None;
  event.cache.outcome = sources_.disk ? CacheOutcome::Miss : CacheOutcome::Off;
  record(std::move(event));
}

int64_t EventRecorder::record(RecompileEvent event) {
  builder_.advise(event);
  const bool tells = stance_ != OnRecompile::Allow && event.kind != EventKind::Closed &&
                     event.kind != EventKind::Evicted;
  if (!tells) return log_.record(std::move(event));
  RecompileEvent told = event;
  told.id = log_.record(std::move(event));
  log_.tell(to_human_line(told));
  return told.id;
}

}  // namespace tessera
