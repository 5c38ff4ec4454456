// SPDX-License-Identifier: Apache-2.0
#include "session/known_executables.h"

#include "session/padding.h"

namespace tessera {
namespace {

constexpr size_t kMostUsed = 4096;

}  // namespace

std::shared_ptr<ModelRunner> KnownExecutables::find(const std::string& total) {
  const std::lock_guard lock(mutex_);
  const ReadyExecutable* ready = ready_.find(total);
  return ready ? ready->runner : nullptr;
}

KnownExecutables::Insertion KnownExecutables::insert(ReadyExecutable executable) {
  const std::string total = executable.key.digests.total;
  const std::lock_guard lock(mutex_);
  Insertion done;
  done.gone = ready_.insert(std::move(executable));
  evicted_.erase(total);
  for (const ReadyExecutable& one : done.gone) evicted_.insert(one.key.digests.total);
  done.ready = static_cast<int64_t>(ready_.all().size());
  done.ready_bytes = ready_.bytes();
  return done;
}

void KnownExecutables::set_event(const ExecutableKey& key, int64_t event) {
  const std::lock_guard lock(mutex_);
  std::erase_if(used_, [&](const auto& one) { return one.first == key; });
  used_.emplace_back(key, event);
  if (used_.size() > kMostUsed) used_.erase(used_.begin());
}

bool KnownExecutables::was_evicted(const std::string& total) const {
  const std::lock_guard lock(mutex_);
  return evicted_.contains(total);
}

std::optional<NearestExecutable> KnownExecutables::nearest(
    const ExecutableKey& wanted, const std::vector<KeyRecord>& in_cache) const {
  const std::lock_guard lock(mutex_);
  std::vector<const ExecutableKey*> candidates;
  for (const auto& [key, event] : used_) candidates.push_back(&key);
  for (const KeyRecord& record : in_cache) candidates.push_back(&record.key);
  const int64_t found = nearest_key(candidates, wanted);
  if (found < 0) return std::nullopt;
  const auto index = static_cast<size_t>(found);
  return NearestExecutable{*candidates[index], index < used_.size() ? used_[index].second : -1};
}

std::optional<ExecutableKey> KnownExecutables::larger_for(
    const ExecutableKey& asked, const std::vector<KeyRecord>& in_cache) const {
  const std::lock_guard lock(mutex_);
  std::vector<const ExecutableKey*> candidates;
  for (const ReadyExecutable& one : ready_.all()) candidates.push_back(&one.key);
  for (const KeyRecord& record : in_cache) candidates.push_back(&record.key);
  const ExecutableKey* larger = smallest_that_serves(candidates, asked);
  return larger ? std::optional(*larger) : std::nullopt;
}

}  // namespace tessera
