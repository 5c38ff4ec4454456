// SPDX-License-Identifier: Apache-2.0
// The callers of a session that wait for an executable, and how long they have waited.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <list>
#include <string>

namespace tessera {

struct Caller {
  std::string total;  // digest of the key; "" in the background and for warm-up: nobody waits
  std::chrono::steady_clock::time_point arrived;
  bool in_line = false;  // waits for the compile of another key to end
};

struct WaitTotals {
  int64_t requests = 0;  // that waited for one key
  double ms = 0;         // summed over them
  int64_t callers = 0;   // that waited for anything
};

// Not thread-safe: a session holds `mutex` around each call.
class Callers {
 public:
  // The caller stays where it is until it leaves.
  Caller* enter(std::string total) {
    return &callers_.emplace_back(std::move(total), std::chrono::steady_clock::now(), false);
  }
  void leave(const Caller* caller) {
    callers_.remove_if([&](const Caller& one) { return &one == caller; });
  }
  // Callers of this key, and those in line behind it, count from `begin` at the earliest.
  WaitTotals waiting_for(const std::string& total,
                         std::chrono::steady_clock::time_point begin) const {
    WaitTotals waiting;
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

 private:
  std::list<Caller> callers_;
};

}  // namespace tessera
