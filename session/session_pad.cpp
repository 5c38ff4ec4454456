// SPDX-License-Identifier: Apache-2.0
// Batches on a larger executable, and compiles in the background of the shapes that they have.
#include "session/key.h"
#include "session/padding.h"
#include "session/session_impl.h"
#include "support/guard.h"

namespace tessera {

Expected<std::optional<Serving>> Session::Impl::pad(Ask& ask,
                                                    const std::vector<KeyRecord>& in_cache) {
  RecompileEvent& event = ask.event;
  const std::optional<ExecutableKey> larger = [&] {
    const std::lock_guard lock(mutex);
    return larger_for(*ask.key, known.ready(), in_cache);
  }();
  if (!larger) {
    event.policy.why_not_padded = "no executable has as many rows and tokens";
    return std::optional<Serving>();
  }
  // It is ready, or loaded from the disk with an event of its own.
  const Serving serving =
      TRY(serve_key(std::make_shared<const ExecutableKey>(*larger), Purpose::WarmUp));
  const InputShapes asked = shapes_of(*ask.key);
  const std::string why_not = why_not_padded(serving.runner->executable().metadata, asked);
  if (!why_not.empty()) {
    event.policy.why_not_padded = why_not;
    return refuse(ask, "padding would not be exact: " + why_not);
  }
  event.kind = EventKind::BucketHit;
  event.cache.tier = CacheTier::Memory;
  event.cache.outcome = CacheOutcome::Hit;
  event.policy.action = PolicyAction::PaddedTo;
  event.policy.padded_to = shapes_of(*larger);
  Padder::Decision decision{event, larger->digests.total};
  finish(ask);
  {
    const std::lock_guard lock(mutex);
    padder.decide(ask.key->digests.total, std::move(decision));
  }
  if (options.background) compile_later(ask.key);
  return std::optional(Serving{serving.runner, asked, /*is_padded=*/true});
}

// As decided before, as long as the larger executable is ready. The caller holds `mutex`.
std::optional<Serving> Session::Impl::pad_again(const ExecutableKey& key, int64_t request_id) {
  const Padder::Decision* decision = padder.find(key.digests.total, known);
  if (!decision) return std::nullopt;
  RecompileEvent event = decision->event;
  event.ts_unix_ns = unix_nanoseconds();
  event.request_id = request_id;
  event.policy.budget_used = recompiles;
  log.record(std::move(event));
  return Serving{known.find(decision->larger)->runner, decision->event.shapes,
                 /*is_padded=*/true};
}

void Session::Impl::compile_later(const KeyPointer& key) {
  if (over_budget()) return;
  // Without a thread, the padded executable goes on serving.
  if (const Status pushed = background.push(key); !pushed) log.tell(pushed.error().message);
}

// An error leaves its event, and the padded executable goes on serving.
void Session::Impl::compile_now(const KeyPointer& key) {
  (void)guarded(model_path, [&]() -> Expected<Serving> {
    if (over_budget()) return Error{"the limit of recompiles is reached"};
    return serve_key(key, Purpose::Background);
  }).ok();
}

}  // namespace tessera
