// SPDX-License-Identifier: Apache-2.0
#include "session/padder.h"

#include "session/padding.h"

namespace tessera {

void Padder::decide(const std::string& total, Decision decision) {
  const std::lock_guard lock(mutex_);
  decisions_[total] = std::move(decision);
}

std::optional<Padder::Padded> Padder::find(const std::string& total, KnownExecutables& known) {
  const std::lock_guard lock(mutex_);
  const auto found = decisions_.find(total);
  if (found == decisions_.end()) return std::nullopt;
  if (std::shared_ptr<ModelRunner> runner = known.find(found->second.larger))
    return Padded{found->second.event, std::move(runner)};
  decisions_.erase(found);
  return std::nullopt;
}

void Padder::forget_wider_than(const InputShapes& shapes) {
  const std::lock_guard lock(mutex_);
  std::erase_if(decisions_, [&](const auto& decision) {
    const RecompileEvent& padded = decision.second.event;
    return covers(shapes, padded.shapes) &&
           elements_of(shapes) < elements_of(padded.policy.padded_to);
  });
}

}  // namespace tessera
