// SPDX-License-Identifier: Apache-2.0
// What a session says of what it did: the cause, by comparison with what was known, and the price.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <ctime>
#include <filesystem>

#include "session/session_impl.h"
#include "session/spared.h"

namespace tessera {
namespace {

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

// How many shapes make a pattern that is worth a word.
constexpr size_t kManyShapes = 4;

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

Ask Session::Impl::begin(const KeyPointer& key, Purpose purpose, int64_t request_id) {
  Ask ask;
  ask.key = key;
  ask.purpose = purpose;
  ask.begin = std::chrono::steady_clock::now();
  ask.cpu_begin = process_cpu_ms();
  RecompileEvent& event = ask.event;
  event.ts_unix_ns = unix_nanoseconds();
  event.model = std::filesystem::path(model_path).filename();
  event.call_site = options.call_site;
  event.request_id = request_id;
  event.policy.stance = options.on_recompile;
  event.policy.budget = options.recompile_limit;
  if (disk) event.cache.path = options.cache_dir;
  event.cache.error = disk_error;
  if (!key) return ask;
  event.shapes = shapes_of(*key);
  for (const InputSignature& input : key->inputs) event.dtypes[input.name] = input.dtype;
  event.options = key->options;
  event.target = key->target;
  event.compiler = key->compiler;
  event.key = key->digests;
  return ask;
}

// The cause, and the nearest of what is known: of this session first, then of the disk.
void Session::Impl::explain(Ask& ask, const DiskLookup& found,
                            const std::vector<KeyRecord>& records) {
  RecompileEvent& event = ask.event;
  event.cache.tier = disk ? CacheTier::Disk : CacheTier::Memory;
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
  const std::lock_guard lock(mutex);
  std::optional<Cause> own = found.cause;
  if (!own && evicted.contains(ask.key->digests.total)) own = Cause::Evicted;
  if (own) {
    event.causes = {*own};
    return;
  }
  std::vector<const ExecutableKey*> candidates;
  for (const auto& [key, id] : known) candidates.push_back(&key);
  for (const KeyRecord& record : records) candidates.push_back(&record.key);
  const int64_t nearest = nearest_key(candidates, *ask.key);
  event.causes = {Cause::FirstSeen};
  if (nearest < 0) {
    event.kind = EventKind::ColdCompile;
    return;
  }
  const ExecutableKey& other = *candidates[static_cast<size_t>(nearest)];
  KeyDifference difference = compare_keys(other, *ask.key);
  if (!difference.causes.empty()) event.causes = std::move(difference.causes);
  event.difference = std::move(difference.shapes);
  event.changes = std::move(difference.changes);
  event.distance = difference.components;
  event.nearest_key = other.digests.total;
  if (nearest < std::ssize(known)) event.nearest = known[static_cast<size_t>(nearest)].second;
}

void Session::Impl::price(Ask& ask) {
  RecompileEvent& event = ask.event;
  const std::chrono::steady_clock::time_point now = std::chrono::steady_clock::now();
  event.wall_ms = std::chrono::duration<double, std::milli>(now - ask.begin).count();
  event.cpu_ms = process_cpu_ms() - ask.cpu_begin;
  event.peak_rss_bytes = peak_rss_bytes();
  if (disk) {
    const DiskUsage usage = disk->usage();
    event.cache.entries = usage.entries;
    event.cache.bytes = usage.bytes;
    log->set_cache_bytes(usage.bytes);
  }
  const std::lock_guard lock(mutex);
  event.policy.budget_used = recompiles;
  for (const Caller& caller : callers) {
    if (caller.total.empty()) continue;
    ++event.queue_depth;
    if (caller.total != ask.key->digests.total && !caller.in_line) continue;
    ++event.requests_blocked;
    event.blocked_ms +=
        std::chrono::duration<double, std::milli>(now - std::max(caller.arrived, ask.begin))
            .count();
  }
}

// What the session so far suggests. `tessera recompiles advise` computes the whole answer.
void Session::Impl::advise(RecompileEvent& event) {
  if (event.kind != EventKind::Recompile || !event.cause()) return;
  const std::optional<AdviceRule> rule = rule_of(*event.cause());
  if (!rule) return;
  const auto add = [&](std::string text, double saved_s) {
    event.advice.push_back({*rule, std::move(text), saved_s});
  };
  switch (*rule) {
    case AdviceRule::ManyShapes: {
      const std::lock_guard lock(mutex);
      recompiled.insert(to_string(event.shapes));
      recompile_ms += event.wall_ms;
      if (recompiled.size() >= kManyShapes)
        add(fmt::format(
                "{} shapes were compiled for; padding to fewer or packing saves most of it, "
                "'tessera recompiles advise' says how",
                recompiled.size()),
            recompile_ms / 1e3);
      break;
    }
    case AdviceRule::CacheTooSmall:
      add("was compiled before and had to go: keep more executables", spared_seconds(event));
      break;
    case AdviceRule::OptionSlip:
      add(fmt::format("compiled again for another {}: {}", to_string(event.cause()),
                      difference_in_words({}, event.changes)),
          spared_seconds(event));
      break;
    case AdviceRule::DtypeSlip:
      add("the model declares another dtype: " + difference_in_words({}, event.changes),
          spared_seconds(event));
      break;
    case AdviceRule::BakedConstant:  // a whole log shows these
    case AdviceRule::NoCache:
    case AdviceRule::CacheFailed:
    case AdviceRule::PartialBatch: break;
  }
}

int64_t Session::Impl::finish(Ask& ask) {
  price(ask);
  const int64_t id = record(std::move(ask.event));
  for (const KeyRecord& gone : ask.evicted)
    record_evicted(CacheTier::Disk, gone.key, gone.executable_bytes);
  return id;
}

int64_t Session::Impl::record(RecompileEvent event) {
  advise(event);
  const bool tells = options.on_recompile != OnRecompile::Allow &&
                     event.kind != EventKind::Closed && event.kind != EventKind::Evicted;
  const RecompileEvent copy = event;
  const int64_t id = log->record(std::move(event));
  if (!tells) return id;
  RecompileEvent told = copy;
  told.id = id;
  log->tell(to_human_line(told));
  return id;
}

void Session::Impl::record_evicted(CacheTier tier, const ExecutableKey& key, int64_t bytes) {
  RecompileEvent event =
      begin(std::make_shared<const ExecutableKey>(key), Purpose::Background, -1).event;
  event.kind = EventKind::Evicted;
  event.causes = {Cause::Limit};
  event.policy.action = PolicyAction::Evicted;
  event.cache.tier = tier;
  event.cache.outcome = CacheOutcome::Evict;
  event.artifact.bytes = bytes;
  record(std::move(event));
}

// Shapes that are not a key: what import would say of them.
void Session::Impl::record_failure(const InputShapes& asked, const Error& error) {
  RecompileEvent event = begin(nullptr, Purpose::Batch, -1).event;
  event.causes = {Cause::FirstSeen};
  event.shapes = asked;
  event.error = error.message;
  event.policy.action = PolicyAction::None;
  event.requests_blocked = 1;
  record(std::move(event));
}

}  // namespace tessera
