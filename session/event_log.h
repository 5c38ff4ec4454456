// SPDX-License-Identifier: Apache-2.0
// Where the events of a session go: a bounded memory, a file, counters, and one line for people.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "session/events.h"
#include "session/metrics.h"
#include "session/session.h"

namespace tessera {

struct EventLogOptions {
  std::string path;           // "": no file
  size_t most_events = 4096;  // kept in memory; the oldest are dropped
  // Called with one line for people; null: nothing is called.
  std::function<void(const std::string&)> tell;
};

// Thread-safe, by a lock of its own. If the file cannot be written, its lines are lost and one line
// says so; batches are still answered.
class EventLog {
 public:
  explicit EventLog(EventLogOptions options);

  // Counts a batch without an event of its own. The next event says how many there were.
  void count(const InputShapes& shapes);
  // Numbers the event, adds the batches that were counted, and sends it everywhere. Returns its
  // number.
  int64_t record(RecompileEvent event);
  // The last events, oldest first.
  std::vector<RecompileEvent> events() const;
  std::string metrics_text() const;
  SessionCounts counts() const;
  void set_cache_bytes(int64_t bytes);
  void tell(const std::string& line) const;
  bool has_counts() const;

 private:
  const EventLogOptions options_;
  const std::string run_id_;
  mutable std::mutex mutex_;
  std::deque<RecompileEvent> events_;
  int64_t next_ = 0, compiles_ = 0;
  std::map<InputShapes, int64_t> counts_;
  bool file_failed_ = false;
  Metrics metrics_;
};

}  // namespace tessera
