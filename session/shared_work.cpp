// SPDX-License-Identifier: Apache-2.0
#include "session/shared_work.h"

namespace tessera {

Expected<Serving> SharedWork::serve(const std::string& total,
                                    const std::function<std::optional<Serving>()>& look,
                                    const std::function<Expected<Serving>()>& work) {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (std::optional<Serving> ready = look()) return *std::move(ready);
    const auto other = works_.find(total);
    if (other == works_.end()) break;
    const std::shared_ptr<Work> running = other->second;
    ended_.wait(lock, [&] { return running->ended; });
    if (running->failed) return *running->failed;
  }
  const std::shared_ptr<Work> running = works_[total] = std::make_shared<Work>();
  lock.unlock();
  Expected<Serving> serving = work();
  lock.lock();
  running->ended = true;
  if (!serving.ok() && serving.error().kind != ErrorKind::Refused)
    running->failed = serving.error();
  works_.erase(total);
  ended_.notify_all();
  return serving;
}

}  // namespace tessera
