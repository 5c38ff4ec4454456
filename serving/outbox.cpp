// SPDX-License-Identifier: Apache-2.0
#include "serving/outbox.h"

#include <utility>

#include "support/check.h"
#include "support/guard.h"

namespace tessera {

void Outbox::put(Item item) {
  const RequestId id = item.id;
  CHECK(items_.emplace(id, std::move(item)).second);
}

void Outbox::mark_gone(RequestId id) {
  CHECK(id >= first_);
  const size_t place = id - first_;
  if (gone_.size() <= place) gone_.resize(place + 1);
  CHECK(!gone_[place]);
  gone_[place] = true;
  while (!gone_.empty() && gone_.front()) {
    gone_.pop_front();
    ++first_;
  }
}

// The answers that may go out now: all, or in order those that no earlier request holds back.
std::vector<Outbox::Item> Outbox::take() {
  std::vector<Item> out;
  RequestId next = first_;
  while (!items_.empty()) {
    const auto front = items_.begin();
    if (keep_order_) {
      // Between this and the ones before it, some may have been cancelled.
      while (next < front->first && next - first_ < gone_.size() && gone_[next - first_]) ++next;
      if (next != front->first) break;
      ++next;
    }
    out.push_back(std::move(front->second));
    items_.erase(front);
  }
  return out;
}

void Outbox::deliver(std::unique_lock<std::mutex>& lock) {
  if (keep_order_ && delivering_) return;
  delivering_ = true;
  for (std::vector<Item> out = take(); !out.empty(); out = take()) {
    lock.unlock();
    for (Item& item : out) {
      static_cast<void>(guarded("done", [&]() -> Status {
        item.done(std::move(item.result));
        return {};
      }));
    }
    lock.lock();
    for (const Item& item : out) mark_gone(item.id);
  }
  delivering_ = false;
}

}  // namespace tessera
