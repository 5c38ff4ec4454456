// SPDX-License-Identifier: Apache-2.0
#include "trace/sessions.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

namespace tessera {
namespace {

constexpr double kMostMs = 1e11;                     // three years
constexpr int64_t kLatestUnixNs = int64_t{1} << 62;  // in the year 2116

Error out_of_range(const RecompileEvent& event, const std::string& what, double value) {
  return {fmt::format("event {}: {} is {:g}, must be from 0 to {:g}", event.id, what, value,
                      what == "ts_unix_ns" ? static_cast<double>(kLatestUnixNs) : kMostMs),
          ErrorKind::BadFile};
}

Status check_times(const RecompileEvent& event) {
  if (event.ts_unix_ns < 0 || event.ts_unix_ns > kLatestUnixNs)
    return out_of_range(event, "ts_unix_ns", static_cast<double>(event.ts_unix_ns));
  const auto fits = [](double ms) { return ms >= 0 && ms <= kMostMs; };
  if (!fits(event.wall_ms)) return out_of_range(event, "wall_ms", event.wall_ms);
  for (const auto& [phase, ms] : event.phase_ms)
    if (!fits(ms)) return out_of_range(event, "phases_ms." + phase, ms);
  return {};
}

int64_t nanoseconds(double ms) { return static_cast<int64_t>(ms * 1e6); }

TraceNotes notes_of(const RecompileEvent& event) {
  TraceNotes notes = {
      {"event_id",         event.id                                   },
      {"model",            event.model                                },
      {"shapes",           to_string(event.shapes)                    },
      {"unix_ns",          event.ts_unix_ns                           },
      {"requests_blocked", event.requests_blocked                     },
      {"blocked_ms",       event.blocked_ms                           },
      {"cpu_ms",           event.cpu_ms                               },
      {"cache",            std::string(to_string(event.cache.outcome))},
      {"action",           std::string(to_string(event.policy.action))}
  };
  std::vector<std::string> causes;
  for (const Cause cause : event.causes) causes.emplace_back(to_string(cause));
  notes.push_back({"causes", causes});
  if (std::string words = difference_in_words(event.difference, event.changes); !words.empty())
    notes.push_back({"difference", words});
  if (!event.policy.padded_to.empty())
    notes.push_back({"padded_to", to_string(event.policy.padded_to)});
  if (!event.error.empty()) notes.push_back({"error", event.error});
  return notes;
}

// The tracks of one session.
class SessionTracks {
 public:
  SessionTracks(TrackEvents& events, const RecompileEvent& first, int64_t begin)
      : events_(events),
        begin_(begin),
        host_(events.process(first.pid, "host")),
        name_(first.run_id.empty() ? "session" : "session " + first.run_id),
        work_(events, host_, name_ + ": compiles and loads") {}

  void add(const RecompileEvent& event) {
    const int64_t at = event.ts_unix_ns - begin_, end = at + nanoseconds(event.wall_ms);
    const std::string name = fmt::format("{} {}", to_string(event.kind), event.model);
    waiting_.emplace(end, event.queue_depth);
    if (!event.is_compile() && event.kind != EventKind::CacheLoad) {
      if (!others_) others_ = events_.row(host_, name_ + ": other events");
      events_.instant(*others_, at, name, notes_of(event));
      return;
    }
    const Track lane = work_.lane(at, end);
    events_.begin(lane, at, name, notes_of(event));
    int64_t phase_at = at;
    for (const auto& [phase, ms] : event.phase_ms) {
      events_.begin(lane, phase_at, phase);
      phase_at = std::min(end, phase_at + nanoseconds(ms));
      events_.end(lane, phase_at);
    }
    events_.end(lane, end);
  }
  void finish() {
    const Track callers = events_.counter(host_, name_ + ": callers that wait", CounterUnit::Count);
    for (const auto& [at, depth] : waiting_) events_.count(callers, at, depth);
  }

 private:
  TrackEvents& events_;
  const int64_t begin_;
  const Track host_;
  const std::string name_;
  Lanes work_;
  std::optional<Track> others_;
  std::multimap<int64_t, int64_t> waiting_;  // callers, by time
};

}  // namespace

Status check_times(std::span<const RecompileEvent> log) {
  for (const RecompileEvent& event : log) TRY(check_times(event));
  return {};
}

void add_sessions(TrackEvents& events, std::span<const RecompileEvent> log, int64_t begin) {
  std::vector<const RecompileEvent*> in_time;
  for (const RecompileEvent& event : log) in_time.push_back(&event);
  std::ranges::stable_sort(in_time, {}, &RecompileEvent::ts_unix_ns);
  std::map<std::pair<int64_t, std::string>, SessionTracks> sessions;
  for (const RecompileEvent* event : in_time)
    sessions.try_emplace({event->pid, event->run_id}, events, *event, begin)
        .first->second.add(*event);
  for (auto& [key, session] : sessions) session.finish();
}

}  // namespace tessera
