// SPDX-License-Identifier: Apache-2.0
#include "serving/waiting_queue.h"

#include <tuple>

namespace tessera {

// Smaller first. The id makes every rank unique, so nothing depends on where a node lies.
bool WaitingQueue::ByRank::operator()(const Waiting* a, const Waiting* b) const {
  return std::tuple(-int64_t{a->arrival.priority}, a->arrival.deadline, a->id) <
         std::tuple(-int64_t{b->arrival.priority}, b->arrival.deadline, b->id);
}

bool WaitingQueue::ByDeadline::operator()(const Waiting* a, const Waiting* b) const {
  return std::tuple(a->arrival.deadline, a->id) < std::tuple(b->arrival.deadline, b->id);
}

void WaitingQueue::push(const Waiting& waiting) {
  const auto place = by_age_.emplace_hint(by_age_.end(), waiting.id, waiting);
  by_rank_.insert(&place->second);
  if (waiting.arrival.deadline != kNever) by_deadline_.insert(&place->second);
  tokens_ += waiting.arrival.length;
}

bool WaitingQueue::erase(RequestId id) {
  const auto place = by_age_.find(id);
  if (place == by_age_.end()) return false;
  by_rank_.erase(&place->second);
  by_deadline_.erase(&place->second);
  tokens_ -= place->second.arrival.length;
  by_age_.erase(place);
  return true;
}

Time WaitingQueue::earliest_deadline() const {
  return by_deadline_.empty() ? kNever : most_pressing().arrival.deadline;
}

void WaitingQueue::in_order(size_t pinned, size_t enough, int64_t enough_tokens,
                            std::vector<const Waiting*>& out) const {
  out.clear();
  int64_t tokens = 0;
  const auto take = [&](const Waiting& waiting) {
    out.push_back(&waiting);
    tokens += waiting.arrival.length;
  };
  auto oldest = by_age_.begin();
  for (; oldest != by_age_.end() && out.size() < pinned; ++oldest) take(oldest->second);
  if (oldest == by_age_.end()) return;
  const RequestId first_free = oldest->first;
  for (const Waiting* waiting : by_rank_) {
    if (out.size() >= enough && tokens >= enough_tokens) return;
    if (waiting->id >= first_free) take(*waiting);
  }
}

bool WaitingQueue::due_exceed(Time deadline, int64_t count, int64_t tokens) const {
  for (const Waiting* waiting : by_deadline_) {
    if (waiting->arrival.deadline > deadline) break;
    --count;
    tokens -= waiting->arrival.length;
    if (count < 0 || tokens < 0) return true;
  }
  return false;
}

}  // namespace tessera
