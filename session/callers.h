// SPDX-License-Identifier: Apache-2.0
// The callers of a session that wait for an executable, and how long they have waited.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <mutex>
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

// Thread-safe, by a lock of its own.
class Callers {
 public:
  // A caller is counted from the construction of its place to the end of that.
  class Place {
   public:
    Place(Callers& callers, std::string total)
        : callers_(callers), caller_(callers.enter(std::move(total))) {}
    ~Place() { callers_.leave(caller_); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    // Locks `work`. While it waits, the caller is counted as in line.
    std::unique_lock<std::mutex> wait_in_line(std::mutex& work) const;

   private:
    Callers& callers_;
    Caller* const caller_;
  };

  // Callers of this key, and those in line behind it, count from `begin` at the earliest.
  WaitTotals waiting_for(const std::string& total,
                         std::chrono::steady_clock::time_point begin) const;

 private:
  Caller* enter(std::string total);
  void leave(const Caller* caller);
  void set_in_line(Caller* caller, bool in_line);

  mutable std::mutex mutex_;
  std::list<Caller> callers_;  // each stays where it is until it leaves
};

}  // namespace tessera
