// SPDX-License-Identifier: Apache-2.0
#include "session/callers.h"

#include <algorithm>

namespace tessera {

std::unique_lock<std::mutex> Callers::Place::wait_in_line(std::mutex& work) const {
  callers_.set_in_line(caller_, true);
  std::unique_lock lock(work);
  callers_.set_in_line(caller_, false);
  return lock;
}

WaitTotals Callers::waiting_for(const std::string& total,
                                std::chrono::steady_clock::time_point begin) const {
  WaitTotals waiting;
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  for (const Caller& caller : callers_) {
    if (caller.total.empty()) continue;
    ++waiting.callers;
    if (caller.total != total && !caller.in_line) continue;
    ++waiting.requests;
    waiting.ms +=
        std::chrono::duration<double, std::milli>(now - std::max(caller.arrived, begin)).count();
  }
  return waiting;
}

Caller* Callers::enter(std::string total) {
  const std::lock_guard lock(mutex_);
  return &callers_.emplace_back(std::move(total), std::chrono::steady_clock::now(), false);
}

void Callers::leave(const Caller* caller) {
  const std::lock_guard lock(mutex_);
  callers_.remove_if([&](const Caller& one) { return &one == caller; });
}

void Callers::set_in_line(Caller* caller, bool in_line) {
  const std::lock_guard lock(mutex_);
  caller->in_line = in_line;
}

}  // namespace tessera
