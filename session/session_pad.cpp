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
  const std::optional<ExecutableKey> larger = known.larger_for(*ask.key, in_cache);
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
    return recorder.refuse(ask, "padding would not be exact: " + why_not);
  }
  event.kind = EventKind::BucketHit;
  event.cache.tier = CacheTier::Memory;
  event.cache.outcome = CacheOutcome::Hit;
  event.policy.action = PolicyAction::PaddedTo;
  event.policy.padded_to = shapes_of(*larger);
  Padder::Decision decision{event, larger->digests.total};
  recorder.finish(ask);
  padder.decide(ask.key->digests.total, std::move(decision));
  // Without a thread, the padded executable goes on serving.
  if (options.background && !budget.is_spent())
    if (const Status pushed = background.push(ask.key); !pushed)
      recorder.log().tell(pushed.error().message);
  return std::optional(Serving{serving.runner, asked, /*is_padded=*/true});
}

// An error leaves its event, and the padded executable goes on serving.
void Session::Impl::compile_in_background(const KeyPointer& key) {
  (void)guarded(model_path, [&]() -> Expected<Serving> {
    if (budget.is_spent()) return Error{"the limit of recompiles is reached"};
    return serve_key(key, Purpose::Background);
  }).ok();
}

}  // namespace tessera
