// SPDX-License-Identifier: Apache-2.0
// Batches on a larger executable, and the compiles that this makes unnecessary, or puts off.
#include "session/session_impl.h"
#include "support/guard.h"

namespace tessera {
// Proved once for each graph.
Expected<std::shared_ptr<const PaddingRule>> Session::Impl::padding_rule_of(
    const ExecutableKey& key) {
  const std::lock_guard lock(proving);
  if (padding && padding_graph == key.graph) return *padding;
  CompileOptions compile_options = options.compile;
  for (const auto& [name, shape] : shapes_of(key)) compile_options.input_shape[name] = shape;
  Expected<PaddingRule> rule = padding_rule(model_path, compile_options);
  padding_graph = key.graph;
  if (rule.ok())
    padding.emplace(std::make_shared<const PaddingRule>(rule.take()));
  else
    padding.emplace(rule.error());
  return *padding;
}

Expected<std::optional<Serving>> Session::Impl::pad(Ask& ask,
                                                    const std::vector<KeyRecord>& records) {
  RecompileEvent& event = ask.event;
  Expected<std::shared_ptr<const PaddingRule>> rule = padding_rule_of(*ask.key);
  if (!rule.ok()) {
    event.policy.why_not_padded = rule.error().message;
    return refuse(ask, "padding would not be exact: " + rule.error().message);
  }
  std::vector<ExecutableKey> known_keys;
  {
    const std::lock_guard lock(mutex);
    for (const ReadyExecutable& ready : memory->all()) known_keys.push_back(ready.key);
  }
  for (const KeyRecord& record : records) known_keys.push_back(record.key);
  std::vector<const ExecutableKey*> candidates;
  for (const ExecutableKey& key : known_keys) candidates.push_back(&key);
  const ExecutableKey* larger = smallest_that_serves(candidates, *ask.key);
  if (!larger) {
    event.policy.why_not_padded = "no executable has as many rows and tokens";
    return std::optional<Serving>();
  }
  // From memory, or from the disk with an event of its own.
  Expected<Serving> serving =
      serve_key(std::make_shared<const ExecutableKey>(*larger), Purpose::WarmUp);
  if (!serving.ok()) return serving.error();

  event.kind = EventKind::BucketHit;
  event.cache.tier = CacheTier::Memory;
  event.cache.outcome = CacheOutcome::Hit;
  event.policy.action = PolicyAction::PaddedTo;
  event.policy.padded_to = shapes_of(*larger);
  PadDecision decision{event, larger->digests.total, *rule};
  finish(ask);
  {
    const std::lock_guard lock(mutex);
    pads[ask.key->digests.total] = std::move(decision);
  }
  if (options.background) compile_in_background(ask.key);
  return std::optional(Serving{serving->runner, shapes_of(*ask.key), *rule});
}

// The same again, as long as the larger executable is at hand. The caller holds `mutex`.
std::optional<Serving> Session::Impl::pad_again(const ExecutableKey& key, int64_t request_id) {
  const auto found = pads.find(key.digests.total);
  if (found == pads.end()) return std::nullopt;
  const ReadyExecutable* larger = memory->find(found->second.larger);
  if (!larger) {
    pads.erase(found);
    return std::nullopt;
  }
  RecompileEvent event = found->second.event;
  event.ts_unix_ns = unix_nanoseconds();
  event.request_id = request_id;
  event.policy.budget_used = recompiles;
  log->record(std::move(event));
  return Serving{larger->runner, found->second.event.shapes, found->second.rule};
}

void Session::Impl::compile_in_background(const KeyPointer& key) {
  if (over_budget()) return;
  const std::lock_guard lock(mutex);
  if (!worker.joinable()) {
    auto started = start_thread("no compile in the background", [this] { work(); });
    if (!started) return log->tell(started.error().message);  // the padded executable serves on
    worker = started.take();
  }
  queue.push_back(key);
  wake.notify_one();
}

void Session::Impl::work() {
  std::unique_lock lock(mutex);
  for (;;) {
    wake.wait(lock, [&] { return stop || !queue.empty(); });
    if (stop) return;
    const KeyPointer key = queue.front();
    queue.pop_front();
    working = true;
    lock.unlock();
    // What goes wrong leaves its event; the padded executable serves on.
    (void)guarded(model_path, [&]() -> Expected<Serving> {
      if (over_budget()) return Error{"the limit of recompiles is reached"};
      return serve_key(key, Purpose::Background);
    }).ok();
    lock.lock();
    working = false;
    idle.notify_all();
  }
}

}  // namespace tessera
