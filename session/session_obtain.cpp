// SPDX-License-Identifier: Apache-2.0
// An executable that is not in memory: from disk, from the compiler, or not at all.
#include <fmt/format.h>

#include "compiler/compile.h"
#include "session/session_impl.h"

namespace tessera {
namespace {

using Outcome = DiskLookup::Outcome;

constexpr size_t kMostKnown = 4096;

}  // namespace

// Stands in line for `building`, seen by those who count who waits.
std::unique_lock<std::mutex> Session::Impl::take_turn(const Ask& ask) {
  const auto in_line = [&](bool waits) {
    const std::lock_guard lock(mutex);
    ask.caller->in_line = waits;
  };
  in_line(true);
  std::unique_lock turn(building);
  in_line(false);
  return turn;
}

// Recompiles that were made count, whatever came of them.
bool Session::Impl::over_budget() {
  const std::lock_guard lock(mutex);
  return options.recompile_limit >= 0 && recompiles >= options.recompile_limit;
}

Expected<Serving> Session::Impl::obtain(Ask& ask) {
  DiskLookup found;
  std::vector<KeyRecord> records;
  if (disk) {
    const std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
    found = disk->find(*ask.key, options.machine.limits);
    if (found.outcome != Outcome::Hit) records = disk->records();
    ask.event.cache.lookup_ms = milliseconds_since(begin);
  }
  explain(ask, found, records);
  if (found.outcome == Outcome::Hit) return load(ask, std::move(found));
  if (found.outcome == Outcome::Refused) return refuse_entry(ask, found);

  const bool recompile = ask.event.kind == EventKind::Recompile;
  const bool by_policy = recompile && ask.purpose != Purpose::WarmUp;
  if (by_policy && options.on_recompile == OnRecompile::Pad && ask.purpose == Purpose::Batch)
    if (std::optional<Serving> padded = TRY(pad(ask, records))) return *padded;
  if (by_policy && options.on_recompile == OnRecompile::Fail)
    return refuse(ask, "recompiles are refused (on_recompile is fail)");
  if (by_policy && over_budget()) {
    ask.event.causes.insert(ask.event.causes.begin(), Cause::Limit);
    return refuse(ask,
                  fmt::format("the limit of {} recompiles is reached", options.recompile_limit));
  }
  return compile(ask);
}

Error Session::Impl::refuse(Ask& ask, const std::string& why) {
  RecompileEvent& event = ask.event;
  event.kind = EventKind::Rejected;
  event.policy.action = PolicyAction::Rejected;
  const std::string difference = difference_in_words(event.difference, event.changes);
  const Error error{fmt::format("{}: {}: has no executable yet, and {}", model_path,
                                difference.empty() ? to_string(event.shapes) : difference, why),
                    ErrorKind::Refused};
  event.error = error.message;
  finish(ask);
  return error;
}

// What this session's limits do not admit stays for others. To compile it would take as much.
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

// Puts a runner into memory, and says what it took.
Serving Session::Impl::keep(Ask& ask, std::shared_ptr<ModelRunner> runner) {
  const Executable& executable = runner->executable();
  RecompileEvent& event = ask.event;
  event.model_sha256 = executable.metadata.source_sha256;
  event.artifact.tiles = executable.program.target.tiles;
  event.artifact.max_tile_bytes = executable.metadata.memory.peak_bytes;
  event.artifact.cycles = executable.metadata.cycles.total;
  if (event.artifact.bytes == 0)
    for (const Blob& blob : executable.constants)
      event.artifact.bytes += static_cast<int64_t>(blob.bytes.size());
  std::vector<ReadyExecutable> gone;
  {
    const std::lock_guard lock(mutex);
    gone = memory->insert({*ask.key, runner, runner->machine().host_bytes()});
    evicted.erase(ask.key->digests.total);
    for (const ReadyExecutable& one : gone) evicted.insert(one.key.digests.total);
    // What this one serves with less padding is decided again.
    const InputShapes shapes = shapes_of(*ask.key);
    std::erase_if(pads, [&](const auto& decision) {
      const RecompileEvent& padded = decision.second.event;
      return covers(shapes, padded.shapes) &&
             elements_of(shapes) < elements_of(padded.policy.padded_to);
    });
    if (!disk) {
      event.cache.entries = static_cast<int64_t>(memory->all().size());
      event.cache.bytes = memory->bytes();
    }
  }
  const int64_t id = finish(ask);
  {
    const std::lock_guard lock(mutex);
    std::erase_if(known, [&](const auto& one) { return one.first == *ask.key; });
    known.emplace_back(*ask.key, id);
    if (known.size() > kMostKnown) known.erase(known.begin());
  }
  for (const ReadyExecutable& one : gone) record_evicted(CacheTier::Memory, one.key, one.bytes);
  return Serving{std::move(runner), shapes_of(*ask.key), nullptr};
}

Expected<Serving> Session::Impl::load(Ask& ask, DiskLookup found) {
  RecompileEvent& event = ask.event;
  event.kind = EventKind::CacheLoad;
  event.policy.action = PolicyAction::Loaded;
  event.cache.tier = CacheTier::Disk;
  event.cache.outcome = CacheOutcome::Hit;
  event.cache.saved_s = found.record.compile_ms / 1e3;
  event.artifact.bytes = found.record.executable_bytes;
  auto executable = std::make_shared<const Executable>(std::move(*found.executable));
  const std::unique_lock turn = take_turn(ask);
  const std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
  Expected<std::unique_ptr<ModelRunner>> runner =
      ModelRunner::create(std::move(executable), options.machine);
  event.cache.load_ms = milliseconds_since(begin);
  event.phase_ms.emplace_back("load", event.cache.load_ms);
  if (runner.ok()) return keep(ask, runner.take());
  event.error = runner.error().message;
  finish(ask);
  return runner.error();
}

// One process compiles a key; the others wait for it and load. A process that cannot get the lock
// compiles for itself: the cache may cost time, never the answer.
Expected<Serving> Session::Impl::compile(Ask& ask) {
  std::optional<KeyLock> lock;
  if (disk) {
    const std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
    Expected<KeyLock> taken = disk->lock(*ask.key, options.lock_patience);
    ask.event.cache.wait_ms = milliseconds_since(begin);
    if (taken.ok())
      lock.emplace(taken.take());
    else
      ask.event.cache.error = taken.error().message;
  }
  if (lock) {
    DiskLookup found = disk->find(*ask.key, options.machine.limits);
    if (found.outcome == Outcome::Hit) {
      // Someone else compiled it meanwhile: nothing was wrong with the cache.
      explain(ask, found, {});
      lock.reset();
      return load(ask, std::move(found));
    }
    if (found.outcome == Outcome::Refused) return refuse_entry(ask, found);
    if (found.outcome == Outcome::Rejected) disk->set_aside(*ask.key);
  }
  const std::unique_lock turn = take_turn(ask);
  if (ask.event.kind == EventKind::Recompile && ask.purpose != Purpose::WarmUp) {
    const std::lock_guard counting(mutex);
    ++recompiles;
  }
  Expected<std::shared_ptr<ModelRunner>> runner = build(ask, lock.has_value());
  if (runner.ok()) return keep(ask, runner.take());
  ask.event.error = runner.error().message;
  finish(ask);
  return runner.error();
}

Expected<std::shared_ptr<ModelRunner>> Session::Impl::build(Ask& ask, bool may_store) {
  RecompileEvent& event = ask.event;
  CompileOptions compile_options = options.compile;
  for (const auto& [name, shape] : shapes_of(*ask.key)) compile_options.input_shape[name] = shape;
  const std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
  CompileResult result = TRY(tessera::compile(model_path, compile_options));
  for (const Phase& phase : result.phases)
    event.phase_ms.emplace_back(phase.name, phase.milliseconds);
  event.model_sha256 = result.executable.metadata.source_sha256;
  if (result.out_of_memory) return *result.out_of_memory;
  const double compile_ms = milliseconds_since(begin);
  {
    const std::lock_guard lock(identifying);
    if (!identity->is_current() || identity->graph() != ask.key->graph ||
        identity->weights() != ask.key->weights)
      return Error{model_path + ": was changed while it was compiled, must stay as it is"};
  }
  if (may_store) store(ask, result.executable, compile_ms);
  const std::chrono::steady_clock::time_point load_begin = std::chrono::steady_clock::now();
  auto executable = std::make_shared<const Executable>(std::move(result.executable));
  std::shared_ptr<ModelRunner> runner =
      TRY(ModelRunner::create(std::move(executable), options.machine));
  event.phase_ms.emplace_back("load", milliseconds_since(load_begin));
  return runner;
}

void Session::Impl::store(Ask& ask, Executable& executable, double compile_ms) {
  RecompileEvent& event = ask.event;
  const std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
  KeyRecord record{.key = *ask.key,
                   .model = event.model,
                   .executable_sha256 = {},
                   .executable_bytes = 0,
                   .compile_ms = compile_ms};
  Expected<StoredEntry> stored = disk->store(std::move(record), executable);
  event.phase_ms.emplace_back("write", milliseconds_since(begin));
  if (!stored.ok()) {
    event.cache.error = stored.error().message;
    return;
  }
  event.artifact.bytes = stored->bytes;
  ask.evicted = std::move(stored->evicted);
}

}  // namespace tessera
