// SPDX-License-Identifier: Apache-2.0
// An executable that is not in memory: from disk, from the compiler, or not at all.
#include <fmt/format.h>

#include "compiler/compile.h"
#include "session/key.h"
#include "session/session_impl.h"

namespace tessera {
namespace {

using Outcome = DiskLookup::Outcome;

void store(const DiskCache& disk, Ask& ask, Executable& executable, double compile_ms) {
  RecompileEvent& event = ask.event;
  const std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
  KeyRecord record{.key = *ask.key,
                   .model = event.model,
                   .executable_sha256 = {},
                   .executable_bytes = 0,
                   .compile_ms = compile_ms};
  Expected<StoredEntry> stored = disk.store(std::move(record), executable);
  event.phase_ms.emplace_back("write", milliseconds_since(begin));
  if (!stored.ok()) {
    event.cache.error = stored.error().message;
    return;
  }
  event.artifact.bytes = stored->bytes;
  ask.evicted = std::move(stored->evicted);
}

}  // namespace

Expected<Serving> Session::Impl::obtain(Ask& ask) {
  DiskLookup found;
  std::vector<KeyRecord> records;
  if (disk) {
    const std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
    found = disk->find(*ask.key, options.machine.limits);
    if (found.outcome != Outcome::Hit) records = disk->records();
    ask.event.cache.lookup_ms = milliseconds_since(begin);
  }
  recorder.explain(ask, found, records);
  if (found.outcome == Outcome::Hit) return load(ask, std::move(found));
  if (found.outcome == Outcome::Refused) return recorder.refuse_entry(ask, found);

  const bool recompile = ask.event.kind == EventKind::Recompile;
  const bool by_policy = recompile && ask.purpose != Purpose::WarmUp;
  if (by_policy && options.on_recompile == OnRecompile::Pad && ask.purpose == Purpose::Batch)
    if (std::optional<Serving> padded = TRY(pad(ask, records))) return *padded;
  if (by_policy && options.on_recompile == OnRecompile::Fail)
    return recorder.refuse(ask, "recompiles are refused (on_recompile is fail)");
  if (by_policy && budget.is_spent()) {
    ask.event.causes.insert(ask.event.causes.begin(), Cause::Limit);
    return recorder.refuse(ask,
                           fmt::format("the limit of {} recompiles is reached", budget.limit()));
  }
  return compile(ask);
}

// Puts a runner into memory and records its event.
Serving Session::Impl::keep(Ask& ask, std::shared_ptr<ModelRunner> runner) {
  const Executable& executable = runner->executable();
  const InputShapes shapes = shapes_of(*ask.key);
  RecompileEvent& event = ask.event;
  event.model_sha256 = executable.metadata.source_sha256;
  event.artifact.tiles = executable.program.target.all_tiles();
  event.artifact.max_tile_bytes = executable.metadata.memory.peak_bytes;
  event.artifact.cycles = executable.metadata.cycles.total;
  if (event.artifact.bytes == 0)
    for (const Blob& blob : executable.constants)
      event.artifact.bytes += static_cast<int64_t>(blob.bytes.size());
  const KnownExecutables::Insertion inserted =
      known.insert({*ask.key, runner, runner->machine().host_bytes()});
  padder.forget_wider_than(shapes);
  if (!disk) {
    event.cache.entries = inserted.ready;
    event.cache.bytes = inserted.ready_bytes;
  }
  known.set_event(*ask.key, recorder.finish(ask));
  for (const ReadyExecutable& one : inserted.gone)
    recorder.evicted(CacheTier::Memory, one.key, one.bytes);
  return Serving{std::move(runner), shapes};
}

Expected<Serving> Session::Impl::load(Ask& ask, DiskLookup found) {
  RecompileEvent& event = ask.event;
  event.kind = EventKind::CacheLoad;
  event.policy.action = PolicyAction::Loaded;
  event.cache.tier = CacheTier::Disk;
  event.cache.outcome = CacheOutcome::Hit;
  event.cache.saved_seconds = found.record.compile_ms / 1e3;
  event.artifact.bytes = found.record.executable_bytes;
  auto executable = std::make_shared<const Executable>(std::move(*found.executable));
  const std::unique_lock lock_of_build = ask.caller.wait_in_line(building);
  const std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
  Expected<std::unique_ptr<ModelRunner>> runner =
      ModelRunner::create(std::move(executable), options.machine);
  event.cache.load_ms = milliseconds_since(begin);
  event.phase_ms.emplace_back("load", event.cache.load_ms);
  if (runner.ok()) return keep(ask, runner.take());
  return recorder.fail(ask, runner.error());
}

// One process compiles a key, and the others wait for it and load. A process that cannot get the
// lock compiles for itself: the cache may cost time, never the answer.
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
      // Another process compiled it meanwhile, so this is a load and nothing was wrong.
      recorder.explain(ask, found, {});
      lock.reset();
      return load(ask, std::move(found));
    }
    if (found.outcome == Outcome::Refused) return recorder.refuse_entry(ask, found);
    if (found.outcome == Outcome::Rejected) disk->set_aside(*ask.key);
  }
  const std::unique_lock lock_of_build = ask.caller.wait_in_line(building);
  if (ask.event.kind == EventKind::Recompile && ask.purpose != Purpose::WarmUp) budget.count();
  Expected<std::shared_ptr<ModelRunner>> runner = build(ask, lock.has_value());
  if (runner.ok()) return keep(ask, runner.take());
  return recorder.fail(ask, runner.error());
}

Expected<std::shared_ptr<ModelRunner>> Session::Impl::build(Ask& ask, bool may_store) {
  RecompileEvent& event = ask.event;
  const std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
  CompileResult result =
      TRY(tessera::compile(model_path, with_shapes(options.compile, shapes_of(*ask.key))));
  for (const Phase& phase : result.phases)
    event.phase_ms.emplace_back(phase.name, phase.milliseconds);
  event.model_sha256 = result.executable.metadata.source_sha256;
  if (result.out_of_memory) return *result.out_of_memory;
  const double compile_ms = milliseconds_since(begin);
  if (!keys.is_current(*ask.key))
    return Error{model_path + ": was changed while it was compiled, must stay as it is"};
  if (may_store) store(*disk, ask, result.executable, compile_ms);
  const std::chrono::steady_clock::time_point load_begin = std::chrono::steady_clock::now();
  auto executable = std::make_shared<const Executable>(std::move(result.executable));
  std::shared_ptr<ModelRunner> runner =
      TRY(ModelRunner::create(std::move(executable), options.machine));
  event.phase_ms.emplace_back("load", milliseconds_since(load_begin));
  return runner;
}

}  // namespace tessera
