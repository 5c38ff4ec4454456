// SPDX-License-Identifier: Apache-2.0
#include "session/known_executables.h"

namespace tessera {
namespace {

constexpr size_t kMostUsed = 4096;

}  // namespace

std::vector<ReadyExecutable> KnownExecutables::insert(ReadyExecutable executable) {
  const std::string total = executable.key.digests.total;
  std::vector<ReadyExecutable> gone = ready_.insert(std::move(executable));
  evicted_.erase(total);
  for (const ReadyExecutable& one : gone) evicted_.insert(one.key.digests.total);
  return gone;
}

void KnownExecutables::set_event(const ExecutableKey& key, int64_t event) {
  std::erase_if(used_, [&](const auto& one) { return one.first == key; });
  used_.emplace_back(key, event);
  if (used_.size() > kMostUsed) used_.erase(used_.begin());
}

std::optional<NearestExecutable> KnownExecutables::nearest(
    const ExecutableKey& wanted, const std::vector<KeyRecord>& in_cache) const {
  std::vector<const ExecutableKey*> candidates;
  for (const auto& [key, event] : used_) candidates.push_back(&key);
  for (const KeyRecord& record : in_cache) candidates.push_back(&record.key);
  const int64_t found = nearest_key(candidates, wanted);
  if (found < 0) return std::nullopt;
  const auto index = static_cast<size_t>(found);
  return NearestExecutable{*candidates[index], index < used_.size() ? used_[index].second : -1};
}

}  // namespace tessera
