// SPDX-License-Identifier: Apache-2.0
// The record is replayed, which proves it, and says what it leaves out: the requests that missed
// their deadlines. The replay gives what happened, in order; the tracks are written from that.
#include "trace/online.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>

#include "serving/replay.h"

namespace tessera {
namespace {

using Kind = FormerEvent::Kind;

struct TracedRequest {
  RequestId id = 0;
  Arrival arrival;
  Time submitted{0};
  std::optional<size_t> batch = {};  // its place in `batches`
  Time end{0};
  const char* how = "no answer in the record";
};

struct TracedBatch {
  int64_t number = 0, tokens = 0;
  std::string reason;
  std::vector<size_t> riders = {};  // places in `requests`
  size_t left = 0;
  Time closed{0};
  bool began = false;
  Time begin{0}, end{0};
};

struct TracedRefusal {
  Time at{0};
  Arrival arrival;
};

struct QueueDepth {
  Time at{0};
  int64_t requests = 0, tokens = 0;
};

// The course of requests and batches, from the events.
class Course {
 public:
  void take(const FormerEvent& event) {
    now_ = event.now;
    switch (event.kind) {
      case Kind::Submit: submit(event); break;
      case Kind::Cancel: leave(*event.id, "cancelled"); break;
      case Kind::Done: done(); break;
      case Kind::Poll: poll(event); break;
      case Kind::Flush:
      case Kind::Drain:
      case Kind::Close:
      case Kind::BatchTime: break;
    }
  }
  // Slices that are still open at the end last until then.
  void finish() {
    for (TracedRequest& request : requests)
      if (waiting_.contains(request.id)) request.end = now_;
    for (const size_t open : in_flight_) {
      if (open == in_flight_.front()) start_batch(batches[open]);
      for (const size_t rider : batches[open].riders) requests[rider].end = now_;
    }
  }

  std::vector<TracedRequest> requests;
  std::vector<TracedBatch> batches;
  std::vector<TracedRefusal> refusals;
  std::vector<QueueDepth> depths;  // one for each time at which it changes

 private:
  void submit(const FormerEvent& event) {
    if (!event.id) {
      refusals.push_back({now_, event.arrival});
      return;
    }
    waiting_[*event.id] = requests.size();
    requests.push_back({.id = *event.id, .arrival = event.arrival, .submitted = now_});
    queue(1, event.arrival.length);
  }
  void leave(RequestId id, const char* how) {
    const auto found = waiting_.find(id);
    if (found == waiting_.end()) return;
    TracedRequest& request = requests[found->second];
    request.end = now_;
    request.how = how;
    queue(-1, -request.arrival.length);
    waiting_.erase(found);
  }
  void poll(const FormerEvent& event) {
    if (event.missed != nullptr)
      for (const RequestId id : *event.missed) leave(id, "missed its deadline");
    if (event.batch == nullptr) return;
    const FormedBatch& formed = *event.batch;
    TracedBatch batch{.number = formed.number,
                      .tokens = formed.packed.tokens,
                      .reason = std::string(to_string(formed.reason)),
                      .left = formed.left,
                      .closed = now_};
    for (const FormedBatch::Rider& rider : formed.riders) {
      const auto found = waiting_.find(rider.id);
      if (found == waiting_.end()) continue;
      batch.riders.push_back(found->second);
      requests[found->second].batch = batches.size();
      queue(-1, -rider.arrival.length);
      waiting_.erase(found);
    }
    in_flight_.push_back(batches.size());
    batches.push_back(std::move(batch));
  }
  void done() {
    TracedBatch& batch = batches[in_flight_.front()];
    in_flight_.pop_front();
    start_batch(batch);
    free_at_ = now_;
    for (const size_t rider : batch.riders) {
      requests[rider].end = now_;
      requests[rider].how = "answered";
    }
  }
  // The machine takes one batch after the other; this one has it until now.
  void start_batch(TracedBatch& batch) {
    batch.began = true;
    batch.begin = std::max(batch.closed, free_at_);
    batch.end = now_;
  }
  void queue(int64_t requests_more, int64_t tokens_more) {
    QueueDepth next = depths.empty() ? QueueDepth() : depths.back();
    if (depths.empty() || next.at != now_) depths.push_back(next);
    depths.back() = {now_, next.requests + requests_more, next.tokens + tokens_more};
  }

  Time now_{0}, free_at_{0};
  std::map<RequestId, size_t> waiting_;
  std::deque<size_t> in_flight_;
};

class OnlineTracks {
 public:
  OnlineTracks(TrackEvents& events, Track host, int64_t begin, const Course& course)
      : events_(events), host_(host), begin_(begin), course_(course) {}

  void run() {
    const Track former = events_.thread(host_, "batch former");
    const Track machine = events_.thread(host_, "machine");
    add_queue();
    std::vector<uint64_t> flows(course_.requests.size(), 0);
    Lanes lanes(events_, host_, "requests");
    for (size_t i = 0; i < flows.size(); ++i) flows[i] = add_request(lanes, course_.requests[i]);
    for (const TracedBatch& batch : course_.batches) add_batch(former, machine, batch, flows);
    add_refusals();
  }

 private:
  int64_t at(Time time) const { return begin_ + time.count(); }

  void add_queue() {
    const Track requests = events_.counter(host_, "queue, requests", CounterUnit::Count);
    const Track tokens = events_.counter(host_, "queue, tokens", CounterUnit::Count);
    for (const QueueDepth& depth : course_.depths) {
      events_.count(requests, at(depth.at), depth.requests);
      events_.count(tokens, at(depth.at), depth.tokens);
    }
  }

  static TraceNotes notes_of(const Arrival& arrival) {
    TraceNotes notes = {
        {"length",   arrival.length                        },
        {"priority", static_cast<int64_t>(arrival.priority)}
    };
    if (arrival.deadline != kNever)
      notes.push_back({"deadline_ns", static_cast<int64_t>(arrival.deadline.count())});
    return notes;
  }

  uint64_t add_request(Lanes& lanes, const TracedRequest& request) {
    const uint64_t flow = events_.new_flow();
    const int64_t begin = at(request.submitted), end = at(request.end);
    const Track lane = lanes.lane(begin, end);
    TraceNotes notes = notes_of(request.arrival);
    notes.push_back({"outcome", std::string(request.how)});
    const TracedBatch* batch = request.batch ? &course_.batches[*request.batch] : nullptr;
    if (batch != nullptr) notes.push_back({"batch", batch->number});
    events_.begin(lane, begin, fmt::format("request {}", request.id), notes, {.through = {flow}});
    events_.begin(lane, begin, "waits");
    events_.end(lane, batch ? at(batch->closed) : end);
    if (batch != nullptr) {
      events_.begin(lane, at(batch->closed), fmt::format("in batch {}", batch->number));
      events_.end(lane, end);
    }
    events_.instant(lane, end, request.how, {}, {.ending = {flow}});
    events_.end(lane, end);
    return flow;
  }

  void add_batch(Track former, Track machine, const TracedBatch& batch,
                 const std::vector<uint64_t>& flows) {
    const std::string name = fmt::format("batch {}", batch.number);
    const TraceNotes notes = {
        {"closed_for",    batch.reason                             },
        {"requests",      static_cast<int64_t>(batch.riders.size())},
        {"tokens",        batch.tokens                             },
        {"waiting_still", static_cast<int64_t>(batch.left)         }
    };
    events_.instant(former, at(batch.closed), name, notes);
    if (!batch.began) return;
    Flows through;
    for (const size_t rider : batch.riders) through.through.push_back(flows[rider]);
    events_.begin(machine, at(batch.begin), name, notes, through);
    events_.end(machine, at(batch.end));
  }

  void add_refusals() {
    if (course_.refusals.empty()) return;
    const Track track = events_.row(host_, "refused requests");
    for (const TracedRefusal& refusal : course_.refusals)
      events_.instant(track, at(refusal.at), "refused", notes_of(refusal.arrival));
  }

  TrackEvents& events_;
  const Track host_;
  const int64_t begin_;
  const Course& course_;
};

}  // namespace

Status add_online(TrackEvents& events, Track host, const RecordedRun& run, int64_t begin) {
  Course course;
  TRY(replay_as_recorded(run, [&](const FormerEvent& event) { course.take(event); }));
  course.finish();
  OnlineTracks(events, host, begin, course).run();
  return {};
}

}  // namespace tessera
