// SPDX-License-Identifier: Apache-2.0
// Packets are written one after the other, each as a Trace of one packet: such messages laid end to
// end are one Trace of all of them.
#include "trace/track_events.h"

#include <unordered_map>

#include "perfetto.pb.h"
#include "support/check.h"
#include "support/plain_text.h"

namespace tessera {
namespace {

namespace wire = perfetto::protos;

// Linux numbers processes and threads below this, so what has no number of its own gets one above.
constexpr int32_t kNumbersOfLinux = 1 << 22;
constexpr uint32_t kSequence = 1;

// Strings and their numbers from 1.
class Strings {
 public:
  // Calls add(number, text) if the text is new.
  template <class Add>
  uint64_t number(std::string_view foreign, Add&& add) {
    const auto [at, is_new] = numbers_.try_emplace(visible(foreign), numbers_.size() + 1);
    if (is_new) add(at->second, at->first);
    return at->second;
  }

 private:
  std::unordered_map<std::string, uint64_t> numbers_;
};

}  // namespace

struct TrackEvents::Packet {
  wire::Trace trace;
  wire::TracePacket& packet = *trace.add_packet();
};

struct TrackEvents::Interned {
  Strings names, note_names, note_values;

  uint64_t name(wire::TracePacket& packet, std::string_view text) {
    return names.number(text, [&](uint64_t number, const std::string& shown) {
      wire::EventName& added = *packet.mutable_interned_data()->add_event_names();
      added.set_iid(number);
      added.set_name(shown);
    });
  }
  uint64_t note_name(wire::TracePacket& packet, std::string_view text) {
    return note_names.number(text, [&](uint64_t number, const std::string& shown) {
      wire::DebugAnnotationName& added =
          *packet.mutable_interned_data()->add_debug_annotation_names();
      added.set_iid(number);
      added.set_name(shown);
    });
  }
  uint64_t note_value(wire::TracePacket& packet, std::string_view text) {
    return note_values.number(text, [&](uint64_t number, const std::string& shown) {
      wire::InternedString& added =
          *packet.mutable_interned_data()->add_debug_annotation_string_values();
      added.set_iid(number);
      added.set_str(shown);
    });
  }

  void set_value(wire::TracePacket& packet, wire::DebugAnnotation& added, const TraceNote& note) {
    switch (note.kind) {
      case TraceNote::Kind::Whole: added.set_int_value(note.whole); break;
      case TraceNote::Kind::Real: added.set_double_value(note.real); break;
      case TraceNote::Kind::Text:
        added.set_string_value_iid(note_value(packet, note.texts.front()));
        break;
      case TraceNote::Kind::List:
        for (const std::string& text : note.texts)
          added.add_array_values()->set_string_value_iid(note_value(packet, text));
        break;
    }
  }
};

TrackEvents::TrackEvents()
    : interned_(std::make_unique<Interned>()), last_number_(kNumbersOfLinux) {}
TrackEvents::~TrackEvents() = default;

void TrackEvents::write(Packet& packet) {
  packet.packet.set_trusted_packet_sequence_id(kSequence);
  packet.packet.set_sequence_flags(bytes_.empty() ? wire::TracePacket::SEQ_INCREMENTAL_STATE_CLEARED
                                                  : wire::TracePacket::SEQ_NEEDS_INCREMENTAL_STATE);
  CHECK(packet.trace.AppendToString(&bytes_));
}

TrackEvents::Packet TrackEvents::new_track(Track parent, std::string_view name) {
  Packet packet;
  wire::TrackDescriptor& track = *packet.packet.mutable_track_descriptor();
  track.set_uuid(++tracks_);
  if (parent.uuid != 0) track.set_parent_uuid(parent.uuid);
  if (!name.empty()) track.set_name(visible(name));
  track.set_sibling_order_rank(static_cast<int32_t>(tracks_));
  return packet;
}

Track TrackEvents::process(int64_t pid, std::string_view name) {
  const bool has_number = pid > 0 && pid <= kNumbersOfLinux;
  if (const auto known = processes_.find(static_cast<int32_t>(has_number ? pid : 0));
      known != processes_.end())
    return known->second;
  Packet packet = new_track({}, "");
  wire::TrackDescriptor& track = *packet.packet.mutable_track_descriptor();
  const Track made{track.uuid(), has_number ? static_cast<int32_t>(pid) : ++last_number_};
  track.set_child_ordering(wire::TrackDescriptor::EXPLICIT);
  track.mutable_process()->set_pid(made.pid);
  track.mutable_process()->set_process_name(visible(name));
  write(packet);
  processes_.emplace(made.pid, made);
  return made;
}

Track TrackEvents::thread(Track process, std::string_view name) {
  Packet packet = new_track(process, "");
  wire::TrackDescriptor& track = *packet.packet.mutable_track_descriptor();
  track.mutable_thread()->set_pid(process.pid);
  track.mutable_thread()->set_tid(++last_number_);
  track.mutable_thread()->set_thread_name(visible(name));
  write(packet);
  return {track.uuid(), process.pid};
}

Track TrackEvents::row(Track process, std::string_view name) {
  Packet packet = new_track(process, name);
  write(packet);
  return {tracks_, process.pid};
}

Track TrackEvents::counter(Track process, std::string_view name, CounterUnit unit) {
  Packet packet = new_track(process, name);
  packet.packet.mutable_track_descriptor()->mutable_counter()->set_unit(
      unit == CounterUnit::Bytes ? wire::CounterDescriptor::UNIT_SIZE_BYTES
                                 : wire::CounterDescriptor::UNIT_COUNT);
  write(packet);
  return {tracks_, process.pid};
}

TrackEvents::Packet TrackEvents::new_event(Track track, int64_t at) {
  CHECK(at >= 0 && track.uuid != 0);
  ++events_;
  Packet packet;
  packet.packet.set_timestamp(static_cast<uint64_t>(at));
  packet.packet.mutable_track_event()->set_track_uuid(track.uuid);
  return packet;
}

void TrackEvents::describe(Packet& packet, std::string_view name, const TraceNotes& notes,
                           const Flows& flows) {
  wire::TrackEvent& event = *packet.packet.mutable_track_event();
  event.set_name_iid(interned_->name(packet.packet, name));
  for (const TraceNote& note : notes) {
    if (note.kind == TraceNote::Kind::List && note.texts.empty()) continue;  // it has no such value
    wire::DebugAnnotation& added = *event.add_debug_annotations();
    added.set_name_iid(interned_->note_name(packet.packet, note.name));
    interned_->set_value(packet.packet, added, note);
  }
  for (const uint64_t flow : flows.through) event.add_flow_ids(flow);
  for (const uint64_t flow : flows.ending) event.add_terminating_flow_ids(flow);
}

void TrackEvents::begin(Track track, int64_t at, std::string_view name, const TraceNotes& notes,
                        const Flows& flows) {
  Packet packet = new_event(track, at);
  packet.packet.mutable_track_event()->set_type(wire::TrackEvent::TYPE_SLICE_BEGIN);
  describe(packet, name, notes, flows);
  write(packet);
}

void TrackEvents::end(Track track, int64_t at) {
  Packet packet = new_event(track, at);
  --events_;  // it began as one
  packet.packet.mutable_track_event()->set_type(wire::TrackEvent::TYPE_SLICE_END);
  write(packet);
}

void TrackEvents::instant(Track track, int64_t at, std::string_view name, const TraceNotes& notes,
                          const Flows& flows) {
  Packet packet = new_event(track, at);
  packet.packet.mutable_track_event()->set_type(wire::TrackEvent::TYPE_INSTANT);
  describe(packet, name, notes, flows);
  write(packet);
}

void TrackEvents::count(Track counter, int64_t at, int64_t value) {
  Packet packet = new_event(counter, at);
  packet.packet.mutable_track_event()->set_type(wire::TrackEvent::TYPE_COUNTER);
  packet.packet.mutable_track_event()->set_counter_value(value);
  write(packet);
}

Track Lanes::lane(int64_t begin, int64_t end) {
  for (; !busy_.empty() && busy_.top().first <= begin; busy_.pop())
    free_.insert(busy_.top().second);
  if (free_.empty()) {
    free_.insert(lanes_.size());
    lanes_.push_back(events_.row(process_, name_));
  }
  const size_t first = *free_.begin();
  free_.erase(free_.begin());
  busy_.emplace(end, first);
  return lanes_[first];
}

}  // namespace tessera
