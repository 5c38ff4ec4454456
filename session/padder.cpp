// SPDX-License-Identifier: Apache-2.0
#include "session/padder.h"

#include "session/model_keys.h"
#include "session/padding.h"

namespace tessera {

const Padder::Decision* Padder::find(const std::string& total, KnownExecutables& known) {
  const auto found = decisions_.find(total);
  if (found == decisions_.end()) return nullptr;
  if (known.find(found->second.larger)) return &found->second;
  decisions_.erase(found);
  return nullptr;
}

void Padder::forget_wider_than(const InputShapes& shapes) {
  std::erase_if(decisions_, [&](const auto& decision) {
    const RecompileEvent& padded = decision.second.event;
    return covers(shapes, padded.shapes) &&
           elements_of(shapes) < elements_of(padded.policy.padded_to);
  });
}

std::optional<ExecutableKey> larger_for(const ExecutableKey& asked, const MemoryCache& ready,
                                        const std::vector<KeyRecord>& in_cache) {
  std::vector<const ExecutableKey*> candidates;
  for (const ReadyExecutable& one : ready.all()) candidates.push_back(&one.key);
  for (const KeyRecord& record : in_cache) candidates.push_back(&record.key);
  const ExecutableKey* larger = smallest_that_serves(candidates, asked);
  return larger ? std::optional(*larger) : std::nullopt;
}

}  // namespace tessera
