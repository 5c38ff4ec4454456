// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "serving/virtual_run.h"
#include "tests/helpers/contracts.h"
#include "tests/helpers/test_with_folder.h"
#include "tests/trace/seen_trace.h"
#include "trace/host.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

// Deadlines, priorities and a queue that overflows.
std::vector<TimedArrival> eventful_arrivals() {
  std::mt19937 random(7);
  std::vector<TimedArrival> arrivals;
  Time at{0};
  for (int i = 0; i < 600; ++i) {
    at += std::chrono::microseconds(random() % 500);
    TimedArrival arrival{
        at, {1 + static_cast<int64_t>(random() % 256), 0, kNever}
    };
    arrival.arrival.priority = static_cast<int32_t>(random() % 3);
    if (i % 3 == 0) arrival.arrival.deadline = at + std::chrono::milliseconds(10 + random() % 60);
    arrivals.push_back(arrival);
  }
  return arrivals;
}

class HostTrace : public TestWithFolder {
 protected:
  // A run that is recorded and read back.
  RecordedRun recorded_run(RecordClock::Kind clock = RecordClock::Kind::Virtual) {
    VirtualOptions options;
    options.contract = form_b(4, 256, 40);
    options.config.max_queue = 60;
    options.config.batch_time = options.batch_time;
    auto log = OnlineLog::create(path("run.jsonl"), options.contract, options.config, clock);
    EXPECT_TRUE(log.ok());
    options.record = [&](const FormerEvent& event) { log->write(event); };
    auto run = run_virtual(options, eventful_arrivals());
    EXPECT_TRUE(run.ok()) << run.error().message;
    virtual_ = run.take();
    EXPECT_TRUE(log->close().ok());
    auto read = read_online_log(path("run.jsonl"));
    EXPECT_TRUE(read.ok()) << read.error().message;
    return read.take();
  }
  static SeenTrace seen(const TracedHost& host) {
    TrackEvents events;
    const Status status = add_host(events, host);
    EXPECT_TRUE(status.ok()) << status.error().message;
    return see_trace(events.bytes());
  }
  static Status refused(const TracedHost& host) {
    TrackEvents events;
    return add_host(events, host);
  }
  VirtualRun virtual_;
};

TracedHost with(const RecordedRun& run, std::span<const RecompileEvent> log = {}) {
  return {.record_path = "run.jsonl", .log_path = "log.jsonl", .run = &run, .log = log};
}
TracedHost with(std::span<const RecompileEvent> log) {
  return {.record_path = "", .log_path = "log.jsonl", .run = nullptr, .log = log};
}

std::map<std::string, size_t> outcomes_of(const SeenTrace& seen) {
  std::map<std::string, size_t> outcomes;
  for (const SeenTrack* lane : seen.named("requests"))
    for (const SeenSlice& slice : lane->slices)
      if (slice.depth == 0) ++outcomes[slice.notes.at("outcome").texts.at(0)];
  return outcomes;
}

TEST_F(HostTrace, every_request_has_a_slice_from_submission_to_answer) {
  const RecordedRun run = recorded_run();
  const SeenTrace seen = HostTrace::seen(with(run));
  EXPECT_EQ(seen.processes, std::set<std::string>{"host, in virtual time"});
  const OnlineMetrics& metrics = virtual_.metrics;
  auto outcomes = outcomes_of(seen);
  EXPECT_EQ(outcomes["answered"], metrics.answered);
  EXPECT_EQ(outcomes["missed its deadline"], metrics.missed_waiting);
  EXPECT_GT(metrics.missed_waiting, 0u);
  EXPECT_EQ(seen.only("refused requests").slices.size(),
            metrics.rejected.at("queue_full") + metrics.rejected.at("deadline"));
  std::vector<int64_t> latencies, expected;
  for (const SeenTrack* lane : seen.named("requests"))
    for (const SeenSlice& slice : lane->slices)
      if (slice.depth == 0 && slice.notes.at("outcome").texts.at(0) == "answered")
        latencies.push_back(slice.end - slice.begin);
  for (const Time latency : virtual_.latencies) expected.push_back(latency.count());
  std::ranges::sort(latencies);
  std::ranges::sort(expected);
  EXPECT_EQ(latencies, expected);
}

TEST_F(HostTrace, a_record_is_read_and_replayed_within_limits) {
  RecordedRun run = recorded_run();
  run.limits.time = 0;
  const Status late = refused(with(run));
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().kind, ErrorKind::Refused);
  EXPECT_THAT(late.error().message, HasSubstr("run.jsonl: replay: took longer than 0 s"));
  Limits limits;
  limits.memory = 100'000;
  const auto large = read_online_log(path("run.jsonl"), limits);
  ASSERT_FALSE(large.ok());
  EXPECT_EQ(large.error().kind, ErrorKind::Refused);
  EXPECT_THAT(large.error().message, HasSubstr("must be at most 100,000 bytes"));
}

TEST_F(HostTrace, a_flow_leads_from_a_request_through_its_batch_to_its_answer) {
  const RecordedRun run = recorded_run();
  const SeenTrace seen = HostTrace::seen(with(run));
  std::map<uint64_t, const SeenSlice*> batch_of;
  for (const SeenSlice& batch : seen.only("machine").slices)
    for (const uint64_t flow : batch.flows)
      EXPECT_TRUE(batch_of.emplace(flow, &batch).second) << "a request rides once";
  size_t answered = 0;
  for (const SeenTrack* lane : seen.named("requests")) {
    for (size_t i = 0; i < lane->slices.size(); ++i) {
      const SeenSlice& request = lane->slices[i];
      if (request.depth != 0 || request.notes.at("outcome").texts.at(0) != "answered") continue;
      ++answered;
      ASSERT_EQ(request.flows.size(), 1u);
      const SeenSlice& batch = *batch_of.at(*request.flows.begin());
      EXPECT_GE(batch.begin, request.begin);
      EXPECT_EQ(batch.end, request.end);
      EXPECT_EQ(batch.name, "batch " + std::to_string(request.notes.at("batch").whole));
      EXPECT_EQ(lane->slices.at(i + 3).ending, request.flows) << "waits, in batch, answered";
    }
  }
  EXPECT_EQ(answered, batch_of.size());
}

TEST_F(HostTrace, batches_run_one_after_the_other_and_say_why_they_were_closed) {
  const RecordedRun run = recorded_run();
  const SeenTrace seen = HostTrace::seen(with(run));
  const SeenTrack& machine = seen.only("machine");
  EXPECT_NE(machine.tid, 0);
  ASSERT_EQ(machine.slices.size(), virtual_.batches.size());
  ASSERT_EQ(seen.only("batch former").slices.size(), virtual_.batches.size());
  for (size_t i = 0; i < machine.slices.size(); ++i) {
    EXPECT_EQ(machine.slices[i].depth, 0u);
    EXPECT_EQ(machine.slices[i].end, virtual_.ends[i].count());
    EXPECT_EQ(machine.slices[i].end - machine.slices[i].begin, 10'000'000);
    EXPECT_EQ(machine.slices[i].notes.at("closed_for").texts.at(0),
              to_string(virtual_.batches[i].reason));
    EXPECT_EQ(seen.only("batch former").slices[i].begin, virtual_.batches[i].at.count());
  }
}

TEST_F(HostTrace, the_queue_is_counted_and_empty_at_the_end) {
  const RecordedRun run = recorded_run();
  const SeenTrace seen = HostTrace::seen(with(run));
  for (const char* unit : {"queue, requests", "queue, tokens"}) {
    const auto& values = seen.only(unit).values;
    ASSERT_FALSE(values.empty());
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_GE(values[i].second, 0);
      if (i > 0) {
        EXPECT_GT(values[i].first, values[i - 1].first) << "one value a time";
      }
    }
    EXPECT_EQ(values.back().second, 0);
  }
}

TEST_F(HostTrace, a_record_that_stops_in_the_middle_leaves_requests_without_an_answer) {
  RecordedRun run = recorded_run();
  run.events.resize(run.events.size() / 2);
  while (!run.batches.empty() && !refused(with(run)).ok()) run.batches.pop_back();
  const SeenTrace seen = HostTrace::seen(with(run));
  EXPECT_GT(outcomes_of(seen)["no answer in the record"], 0u);
}

TEST_F(HostTrace, a_record_that_does_not_replay_is_refused_by_name) {
  RecordedRun run = recorded_run();
  run.batches[1].requests[0] += 1;
  const Status status = refused(with(run));
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "run.jsonl: batch 1 is another, must be as recorded");
}

RecompileEvent compile_at(int64_t unix_ns, double wall_ms) {
  RecompileEvent event;
  event.ts_unix_ns = unix_ns;
  event.wall_ms = wall_ms;
  event.model = "bert.onnx";
  event.pid = 42;
  event.run_id = "00000000000000aa";
  event.causes = {Cause::FirstSeen};
  event.phase_ms = {
      {"import", 2},
      {"lower",  5}
  };
  event.queue_depth = 3;
  return event;
}

TEST_F(HostTrace, compiles_have_their_phases_and_overlap_in_rows_of_their_own) {
  std::vector<RecompileEvent> log = {compile_at(1'000'000'000, 10), compile_at(1'004'000'000, 20)};
  log[1].kind = EventKind::Recompile;
  log.push_back(compile_at(1'030'000'000, 4));
  log[2].kind = EventKind::CacheLoad;
  log.push_back(compile_at(1'031'000'000, 0));
  log[3].kind = EventKind::BucketHit;
  const SeenTrace seen = HostTrace::seen(with(log));
  EXPECT_EQ(seen.processes, std::set<std::string>{"host"});
  const std::string session = "session 00000000000000aa: ";
  const auto lanes = seen.named(session + "compiles and loads");
  ASSERT_EQ(lanes.size(), 2u);
  EXPECT_EQ(lanes[0]->pid, 42);
  const SeenSlice& first = lanes[0]->slices.at(0);
  EXPECT_EQ(std::tie(first.name, first.begin, first.end),
            std::make_tuple("cold_compile bert.onnx", int64_t{0}, int64_t{10'000'000}));
  EXPECT_EQ(first.notes.at("causes").texts.at(0), "first_seen");
  EXPECT_EQ(lanes[0]->slices.at(2).name, "lower");
  EXPECT_EQ(lanes[0]->slices.at(2).end, 7'000'000);
  EXPECT_EQ(lanes[0]->slices.at(3).name, "cache_load bert.onnx");
  EXPECT_EQ(lanes[0]->slices.at(5).end, 34'000'000) << "a phase ends with its event at the latest";
  EXPECT_EQ(lanes[1]->slices.at(0).begin, 4'000'000);
  EXPECT_EQ(seen.only(session + "other events").slices.at(0).name, "bucket_hit bert.onnx");
  EXPECT_EQ(seen.only(session + "callers that wait").values.size(), 4u);
}

TEST_F(HostTrace, sessions_of_one_log_are_told_apart) {
  std::vector<RecompileEvent> log = {compile_at(5, 1), compile_at(5, 1), compile_at(5, 1)};
  log[1].run_id = "00000000000000bb";  // in the same process
  log[2].pid = 43;
  const SeenTrace seen = HostTrace::seen(with(log));
  EXPECT_EQ(seen.named("session 00000000000000bb: compiles and loads").size(), 1u);
  EXPECT_EQ(seen.named("session 00000000000000aa: compiles and loads").size(), 2u);
}

TEST_F(HostTrace, a_run_and_a_session_of_one_process_share_its_time) {
  RecordedRun run = recorded_run(RecordClock::Kind::Host);
  EXPECT_EQ(run.clock.kind, RecordClock::Kind::Host);
  EXPECT_GT(run.clock.start_unix_ns, 1'600'000'000'000'000'000);
  EXPECT_GT(run.clock.pid, 0);
  const std::vector<RecompileEvent> log = {[&] {
    RecompileEvent event = compile_at(run.clock.start_unix_ns - 2'000'000, 1);
    event.pid = run.clock.pid;
    return event;
  }()};
  const SeenTrace seen = HostTrace::seen(with(run, log));
  EXPECT_EQ(seen.processes, std::set<std::string>{"host"});
  EXPECT_EQ(seen.only("machine").slices[0].end, 2'000'000 + virtual_.ends[0].count());
  EXPECT_EQ(seen.only("session 00000000000000aa: compiles and loads").slices[0].begin, 0);
}

TEST_F(HostTrace, a_record_of_before_says_that_its_clock_is_not_known) {
  RecordedRun run = recorded_run();
  run.clock = {};
  EXPECT_TRUE(HostTrace::seen(with(run)).processes.contains(
      "host, by a clock that the record does not name"));
}

TEST_F(HostTrace, times_that_cannot_be_are_refused) {
  for (const auto& [wall_ms, phase_ms, at, what] :
       std::vector<std::tuple<double, double, int64_t, std::string>>{
           {-1,    0,     5,         "wall_ms is -1"             },
           {1e300, 0,     5,         "wall_ms is 1e+300"         },
           {1,     -2,    5,         "phases_ms.import is -2"    },
           {1,     1e200, 5,         "phases_ms.import is 1e+200"},
           {1,     1,     -5,        "ts_unix_ns is -5"          },
           {1,     1,     INT64_MAX, "ts_unix_ns is 9.22337e+18" }
  }) {
    std::vector<RecompileEvent> log = {compile_at(at, wall_ms)};
    log[0].id = 8;
    log[0].phase_ms = {
        {"import", phase_ms}
    };
    const Status status = refused(with(log));
    ASSERT_FALSE(status.ok()) << what;
    EXPECT_THAT(status.error().message, HasSubstr("log.jsonl: event 8: " + what));
    EXPECT_EQ(status.error().kind, ErrorKind::BadFile);
  }
}

}  // namespace
}  // namespace tessera
