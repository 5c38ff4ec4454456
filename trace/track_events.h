// SPDX-License-Identifier: Apache-2.0
// A trace in Perfetto's own format: processes, threads and other tracks, and what happened on them.
// A track takes its events in the order of their times, and its slices nest. Names may be foreign:
// each passes the filter of support/plain_text.h. The same calls give the same bytes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera {

struct Track {
  uint64_t uuid = 0;
  int32_t pid = 0;
};

enum class CounterUnit : uint8_t { Count, Bytes };

// A note that a slice shows when it is clicked: a name and one value.
struct TraceNote {
  TraceNote(const char* of, int64_t value) : name(of), kind(Kind::Whole), whole(value) {}
  TraceNote(const char* of, double value) : name(of), kind(Kind::Real), real(value) {}
  TraceNote(const char* of, std::string value) : name(of), texts{std::move(value)} {}
  TraceNote(const char* of, std::vector<std::string> values)
      : name(of), kind(Kind::List), texts(std::move(values)) {}

  enum class Kind : uint8_t { Whole, Real, Text, List };
  const char* name;
  Kind kind = Kind::Text;
  int64_t whole = 0;
  double real = 0;
  std::vector<std::string> texts;
};
using TraceNotes = std::vector<TraceNote>;

// Perfetto draws an arrow from each slice of a flow to its next one.
struct Flows {
  std::vector<uint64_t> through = {}, ending = {};
};

class TrackEvents {
 public:
  TrackEvents();
  ~TrackEvents();

  // The process of this number, made where it was not asked for before. A number that Linux does
  // not give to processes, such as 0, stands for a process without a number: always a new one.
  Track process(int64_t pid, std::string_view name);
  // Below a process, in the order in which they are made.
  Track thread(Track process, std::string_view name);
  Track row(Track process, std::string_view name);
  Track counter(Track process, std::string_view name, CounterUnit unit);

  // Times are in nanoseconds, at least 0.
  void begin(Track track, int64_t at, std::string_view name, const TraceNotes& notes = {},
             const Flows& flows = {});
  void end(Track track, int64_t at);
  void instant(Track track, int64_t at, std::string_view name, const TraceNotes& notes = {},
               const Flows& flows = {});
  void count(Track counter, int64_t at, int64_t value);
  uint64_t new_flow() { return ++flows_; }

  // Slices, instants and values of counters.
  int64_t events() const { return events_; }
  const std::string& bytes() const { return bytes_; }

 private:
  struct Packet;
  struct Interned;
  Packet new_track(Track parent, std::string_view name);
  Packet new_event(Track track, int64_t at);
  void describe(Packet& packet, std::string_view name, const TraceNotes& notes, const Flows& flows);
  void write(Packet& packet);

  std::string bytes_;
  std::unique_ptr<Interned> interned_;
  std::map<int32_t, Track> processes_;
  int32_t last_number_;  // that we gave to a process or a thread
  uint64_t tracks_ = 0, flows_ = 0;
  int64_t events_ = 0;
};

// Rows of one name for slices that overlap, as requests do: each slice goes to the first row that
// is free when it begins. Slices come in the order of their begins.
class Lanes {
 public:
  Lanes(TrackEvents& events, Track process, std::string name)
      : events_(events), process_(process), name_(std::move(name)) {}
  Track lane(int64_t begin, int64_t end);

 private:
  using Busy = std::pair<int64_t, size_t>;  // until when, and which

  TrackEvents& events_;
  Track process_;
  std::string name_;
  std::vector<Track> lanes_;
  std::priority_queue<Busy, std::vector<Busy>, std::greater<>> busy_;
  std::set<size_t> free_;
};

}  // namespace tessera
