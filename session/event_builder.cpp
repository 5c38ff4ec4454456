// SPDX-License-Identifier: Apache-2.0
#include "session/event_builder.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <ctime>

#include "compiler/option_values.h"
#include "session/saved_seconds.h"

namespace tessera {
namespace {

// This many shapes make a pattern.
constexpr size_t kManyShapes = 4;

double process_cpu_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

int64_t peak_rss_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;  // Linux counts in KiB
}

}  // namespace

int64_t unix_nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

double milliseconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

WorkStart WorkStart::now() { return {std::chrono::steady_clock::now(), process_cpu_ms()}; }

RecompileEvent EventBuilder::begin(const ExecutableKey* key, int64_t request_id) const {
  RecompileEvent event;
  event.ts_unix_ns = unix_nanoseconds();
  event.model = facts_.model;
  event.call_site = facts_.call_site;
  event.request_id = request_id;
  event.policy.stance = facts_.stance;
  event.policy.budget = facts_.budget;
  event.cache.path = facts_.cache_path;
  event.cache.error = facts_.cache_error;
  if (!key) return event;
  event.shapes = shapes_of(*key);
  for (const InputSignature& input : key->inputs) event.dtypes[input.name] = input.dtype;
  event.options = option_text(key->options);
  event.target = target_text(key->target);
  event.compiler = key->compiler;
  event.key = key->digests;
  return event;
}

void EventBuilder::explain(RecompileEvent& event, const ExecutableKey& key, const DiskLookup& found,
                           const std::vector<KeyRecord>& in_cache,
                           const KnownExecutables& known) const {
  event.cache.tier = facts_.cache_path.empty() ? CacheTier::Memory : CacheTier::Disk;
  event.cache.outcome = CacheOutcome::Miss;
  event.difference.clear();
  event.changes.clear();
  event.nearest = -1;
  event.nearest_key.clear();
  event.distance = 0;
  event.kind = EventKind::Recompile;
  if (found.outcome == DiskLookup::Outcome::Rejected) {
    event.cache.outcome = CacheOutcome::Reject;
    event.cache.error = found.reason;
  }
  std::optional<Cause> own = found.cause;
  if (!own && known.was_evicted(key.digests.total)) own = Cause::Evicted;
  if (own) {
    event.causes = {*own};
    return;
  }
  event.causes = {Cause::FirstSeen};
  const std::optional<NearestExecutable> nearest = known.nearest(key, in_cache);
  if (!nearest) {
    event.kind = EventKind::ColdCompile;
    return;
  }
  KeyDifference difference = compare_keys(nearest->key, key);
  if (!difference.causes.empty()) event.causes = std::move(difference.causes);
  event.difference = std::move(difference.shapes);
  event.changes = std::move(difference.changes);
  event.distance = difference.components;
  event.nearest_key = nearest->key.digests.total;
  event.nearest = nearest->event;
}

void EventBuilder::price(RecompileEvent& event, const WorkStart& start,
                         const WaitTotals& waiting) const {
  event.wall_ms = milliseconds_since(start.time);
  event.cpu_ms = process_cpu_ms() - start.cpu_ms;
  event.peak_rss_bytes = peak_rss_bytes();
  event.requests_blocked = waiting.requests;
  event.blocked_ms = waiting.ms;
  event.queue_depth = waiting.callers;
}

void EventBuilder::advise(RecompileEvent& event) {
  if (event.kind != EventKind::Recompile || !event.cause()) return;
  const std::optional<AdviceRule> rule = rule_of(*event.cause());
  if (!rule) return;
  const auto add = [&](std::string text, double seconds) {
    event.advice.push_back({*rule, std::move(text), seconds});
  };
  switch (*rule) {
    case AdviceRule::ManyShapes: {
      const std::lock_guard lock(mutex_);
      recompiled_.insert(to_string(event.shapes));
      recompile_ms_ += event.wall_ms;
      if (recompiled_.size() < kManyShapes) return;
      return add(fmt::format("{} shapes were compiled for; padding to fewer or packing saves most "
                             "of it, 'tessera recompiles advise' says how",
                             recompiled_.size()),
                 recompile_ms_ / 1e3);
    }
    case AdviceRule::CacheTooSmall:
      return add("was compiled before and had to go: keep more executables", saved_seconds(event));
    case AdviceRule::OptionSlip:
      return add(fmt::format("compiled again for another {}: {}", to_string(event.cause()),
                             difference_in_words({}, event.changes)),
                 saved_seconds(event));
    case AdviceRule::DtypeSlip:
      return add("the model declares another dtype: " + difference_in_words({}, event.changes),
                 saved_seconds(event));
    case AdviceRule::BakedConstant:  // these four take a whole log
    case AdviceRule::NoCache:
    case AdviceRule::CacheFailed:
    case AdviceRule::PartialBatch: return;
  }
}

}  // namespace tessera
