// SPDX-License-Identifier: Apache-2.0
#include "tests/trace/seen_trace.h"

#include <gtest/gtest.h>

#include "perfetto.pb.h"
#include "support/plain_text.h"

namespace tessera {
namespace {

namespace wire = perfetto::protos;

class Reader {
 public:
  SeenTrace read(const std::string& bytes) {
    wire::Trace trace;
    EXPECT_TRUE(trace.ParseFromString(bytes));
    for (const wire::TracePacket& packet : trace.packet()) {
      const bool first = &packet == &trace.packet(0);
      EXPECT_EQ(packet.sequence_flags(), first ? wire::TracePacket::SEQ_INCREMENTAL_STATE_CLEARED
                                               : wire::TracePacket::SEQ_NEEDS_INCREMENTAL_STATE);
      EXPECT_EQ(packet.trusted_packet_sequence_id(), 1u);
      take(packet.interned_data());
      if (packet.has_track_descriptor()) take(packet.track_descriptor());
      if (packet.has_track_event())
        take(static_cast<int64_t>(packet.timestamp()), packet.track_event());
    }
    for (const auto& [uuid, open] : open_) EXPECT_TRUE(open.empty()) << "a slice has no end";
    return std::move(seen_);
  }

 private:
  static std::string plain(const std::string& text) {
    EXPECT_TRUE(is_plain_text(text)) << visible(text);
    return text;
  }
  static void add(std::map<uint64_t, std::string>& to, uint64_t number, const std::string& text) {
    EXPECT_TRUE(to.emplace(number, plain(text)).second) << number << " is given twice";
  }
  static std::string get(const std::map<uint64_t, std::string>& from, uint64_t number) {
    const auto found = from.find(number);
    EXPECT_NE(found, from.end()) << number << " is not given before it is used";
    return found == from.end() ? "" : found->second;
  }

  void take(const wire::InternedData& data) {
    for (const auto& name : data.event_names()) add(names_, name.iid(), name.name());
    for (const auto& name : data.debug_annotation_names())
      add(note_names_, name.iid(), name.name());
    for (const auto& value : data.debug_annotation_string_values())
      add(note_values_, value.iid(), value.str());
  }

  void take(const wire::TrackDescriptor& described) {
    EXPECT_TRUE(places_.emplace(described.uuid(), seen_.tracks.size()).second);
    SeenTrack track;
    track.name = plain(described.name());
    if (described.has_process()) {
      track.process = plain(described.process().process_name());
      track.pid = described.process().pid();
      EXPECT_GT(track.pid, 0);
      EXPECT_TRUE(pids_.insert(track.pid).second) << "two processes have one number";
      seen_.processes.insert(track.process);
    } else {
      const auto parent = places_.find(described.parent_uuid());
      ASSERT_NE(parent, places_.end()) << "a track's process comes before it";
      track.process = seen_.tracks[parent->second].process;
      track.pid = seen_.tracks[parent->second].pid;
    }
    if (described.has_thread()) {
      track.name = plain(described.thread().thread_name());
      track.tid = described.thread().tid();
      EXPECT_EQ(described.thread().pid(), track.pid);
      EXPECT_TRUE(tids_.insert(track.tid).second) << "two threads have one number";
    }
    track.counter = described.has_counter();
    seen_.tracks.push_back(std::move(track));
  }

  SeenNote note_of(const wire::DebugAnnotation& note) const {
    SeenNote seen{.whole = note.int_value(), .real = note.double_value(), .texts = {}};
    if (note.has_string_value_iid())
      seen.texts.push_back(get(note_values_, note.string_value_iid()));
    for (const auto& value : note.array_values())
      seen.texts.push_back(get(note_values_, value.string_value_iid()));
    return seen;
  }

  void take(int64_t at, const wire::TrackEvent& event) {
    const auto place = places_.find(event.track_uuid());
    ASSERT_NE(place, places_.end()) << "a track comes before its events";
    SeenTrack& track = seen_.tracks[place->second];
    int64_t& last = last_[event.track_uuid()];
    EXPECT_GE(at, last) << track.name << " goes back in time";
    last = at;
    if (event.type() == wire::TrackEvent::TYPE_COUNTER) {
      EXPECT_TRUE(track.counter);
      track.values.emplace_back(at, event.counter_value());
      return;
    }
    std::vector<size_t>& open = open_[event.track_uuid()];
    if (event.type() == wire::TrackEvent::TYPE_SLICE_END) {
      ASSERT_FALSE(open.empty()) << track.name << " ends a slice that has not begun";
      track.slices[open.back()].end = at;
      open.pop_back();
      return;
    }
    SeenSlice slice{.name = get(names_, event.name_iid()),
                    .begin = at,
                    .end = at,
                    .depth = open.size(),
                    .notes = {},
                    .flows = {},
                    .ending = {}};
    for (const auto& note : event.debug_annotations())
      slice.notes[get(note_names_, note.name_iid())] = note_of(note);
    slice.flows.insert(event.flow_ids().begin(), event.flow_ids().end());
    slice.ending.insert(event.terminating_flow_ids().begin(), event.terminating_flow_ids().end());
    slice.instant = event.type() == wire::TrackEvent::TYPE_INSTANT;
    if (!slice.instant) open.push_back(track.slices.size());
    track.slices.push_back(std::move(slice));
  }

  SeenTrace seen_;
  std::map<uint64_t, size_t> places_;
  std::map<uint64_t, std::string> names_, note_names_, note_values_;
  std::map<uint64_t, int64_t> last_;
  std::map<uint64_t, std::vector<size_t>> open_;
  std::set<int64_t> pids_, tids_;
};

}  // namespace

std::vector<const SeenTrack*> SeenTrace::named(std::string_view name) const {
  std::vector<const SeenTrack*> found;
  for (const SeenTrack& track : tracks)
    if (track.name == name) found.push_back(&track);
  return found;
}

const SeenTrack& SeenTrace::only(std::string_view name) const {
  static const SeenTrack none;
  const std::vector<const SeenTrack*> found = named(name);
  EXPECT_EQ(found.size(), 1u) << name;
  return found.empty() ? none : *found.front();
}

SeenTrace see_trace(const std::string& bytes) { return Reader().read(bytes); }

}  // namespace tessera
