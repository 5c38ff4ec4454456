// SPDX-License-Identifier: Apache-2.0
// Online packing in virtual time: deterministic, replayed from its record, and as fast as the
// policies' fill allows.
#include "serving/virtual_run.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "packing/workload.h"
#include "serving/arrivals.h"
#include "serving/replay.h"
#include "tests/helpers/contracts.h"

namespace tessera {
namespace {

// The packing benchmarks' lengths at this rate.
std::vector<TimedArrival> poisson(double rate, int64_t count, uint32_t seed) {
  WorkloadOptions options;
  options.count = count;
  options.seed = seed;
  const Workload workload = synthetic_workload(options).take();
  PoissonClock clock(rate, seed);
  std::vector<TimedArrival> arrivals;
  for (const SyntheticRequest& request : workload)
    arrivals.push_back({
        clock.next(), {std::ssize(request.ids), 0, kNever}
    });
  return arrivals;
}

VirtualOptions options_of(PackRule rule) {
  VirtualOptions options;
  options.contract = form_b(16, 256, 40);
  options.config.rule = rule;
  options.config.max_queue = 100000;
  return options;
}

VirtualRun run(const VirtualOptions& options, const std::vector<TimedArrival>& arrivals,
               const NextArrival& next = {}) {
  auto result = run_virtual(options, arrivals, next);
  EXPECT_TRUE(result.ok()) << result.error().message;
  return result.ok() ? result.take() : VirtualRun();
}

double per_second(const VirtualRun& run) {
  return static_cast<double>(run.latencies.size()) / std::chrono::duration<double>(run.end).count();
}

double p99_ms(VirtualRun run) {
  std::sort(run.latencies.begin(), run.latencies.end());
  return std::chrono::duration<double, std::milli>(run.latencies[run.latencies.size() * 99 / 100])
      .count();
}

// One batch of 10 ms after the other, whatever is in it: so what saturates is the fill. The middle
// one of five runs counts, whose offered load varies by 4 %.
TEST(VirtualRun, a_window_holds_3000_requests_a_second_where_the_others_saturate) {
  const auto median = [](std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  };
  std::vector<double> window, p99, first_fit, next_fit;
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    const std::vector<TimedArrival> arrivals = poisson(3000, 12000, seed);
    const VirtualRun best = run(options_of(PackPolicy::Window), arrivals);
    window.push_back(per_second(best));
    p99.push_back(p99_ms(best));
    first_fit.push_back(per_second(run(options_of(PackPolicy::FirstFit), arrivals)));
    next_fit.push_back(per_second(run(options_of(PackPolicy::NextFit), arrivals)));
  }
  EXPECT_GT(median(window), 2950);
  EXPECT_LE(median(p99), 60);
  EXPECT_NEAR(median(first_fit), 2830, 50);
  EXPECT_NEAR(median(next_fit), 2475, 50);
}

TEST(VirtualRun, a_lone_request_takes_its_time_limit_and_a_batch) {
  const VirtualRun lone = run(options_of(PackPolicy::Window), {
                                                                  {Time(0), {5, 0, kNever}}
  });
  ASSERT_EQ(lone.latencies.size(), 1u);
  EXPECT_EQ(lone.latencies[0], std::chrono::milliseconds(25));
}

TEST(VirtualRun, clients_in_a_closed_loop_wait_for_their_answers) {
  VirtualOptions options = options_of(PackPolicy::Window);
  options.contract = form_b(4, 8, 4);
  int64_t left = 96;
  const VirtualRun loop = run(options,
                              std::vector<TimedArrival>(4,
                                                        {
                                                            Time(0), {8, 0, kNever}
  }),
                              [&](Time now) -> std::optional<TimedArrival> {
                                if (left-- <= 0) return {};
                                return TimedArrival{
                                    now, {8, 0, kNever}
                                };
                              });
  EXPECT_EQ(loop.latencies.size(), 100u);
  EXPECT_EQ(loop.batches.size(), 25u);
  EXPECT_EQ(loop.end, std::chrono::milliseconds(250));  // always full: nothing waits
}

// Deadlines, priorities and a queue that overflows: all that a record must bring back.
std::vector<TimedArrival> eventful(uint32_t seed) {
  std::vector<TimedArrival> arrivals = poisson(3600, 4000, seed);
  std::mt19937 random(seed);
  for (TimedArrival& arrival : arrivals) {
    arrival.arrival.priority = static_cast<int32_t>(random() % 3);
    if (random() % 3 == 0)
      arrival.arrival.deadline = arrival.at + std::chrono::milliseconds(10 + random() % 60);
  }
  return arrivals;
}

std::vector<std::vector<RequestId>> riders(const std::vector<FormedBatch>& batches) {
  std::vector<std::vector<RequestId>> all;
  for (const FormedBatch& batch : batches) {
    all.emplace_back();
    for (const FormedBatch::Rider& rider : batch.riders) all.back().push_back(rider.id);
  }
  return all;
}

TEST(VirtualRun, a_record_replays_to_the_same_batches) {
  for (const PackPolicy policy :
       {PackPolicy::NextFit, PackPolicy::FirstFit, PackPolicy::BestFit, PackPolicy::Window}) {
    VirtualOptions options = options_of(policy);
    options.config.max_queue = 90;
    std::vector<FormerEvent> events;
    options.record = [&](const FormerEvent& event) { events.push_back(event); };
    const VirtualRun first = run(options, eventful(3));
    EXPECT_GT(first.metrics.rejected.at("queue_full"), 0u);
    EXPECT_GT(first.metrics.rejected.at("deadline"), 0u);
    EXPECT_GT(first.batches.size(), 50u);
    FormerConfig config = options.config;
    config.batch_time = options.batch_time;
    const auto again = replay(options.contract, config, events);
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(riders(*again), riders(first.batches));
    for (size_t i = 0; i < again->size(); ++i)
      EXPECT_EQ((*again)[i].reason, first.batches[i].reason);
    options.record = {};
    EXPECT_EQ(riders(run(options, eventful(3)).batches), riders(first.batches));
  }
}

TEST(VirtualRun, a_record_that_does_not_hold_is_refused_by_its_event) {
  FormerEvent event;
  event.kind = FormerEvent::Kind::Submit;
  event.arrival = {5, 0, kNever};
  event.id = 1;
  const auto again = replay(form_b(4, 8, 4), {}, std::vector{event});
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().message,
            "event 0: the request is taken as request 0, must be taken as request 1 as recorded");
}

TEST(VirtualRun, a_replay_ends_when_its_time_is_over) {
  FormerEvent poll;
  poll.kind = FormerEvent::Kind::Poll;
  Limits limits;
  limits.time = 0;
  const auto again = replay(form_b(4, 8, 4), {}, std::vector{poll}, {}, limits);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().type, "limit");
  EXPECT_EQ(again.error().message, "replay: took longer than 0 s (--limit time=SECONDS raises it)");
}

TEST(VirtualRun, an_answer_is_never_later_than_its_deadline) {
  const VirtualRun all = run(options_of(PackPolicy::Window), eventful(5));
  EXPECT_EQ(all.metrics.missed_answered, 0u);
  EXPECT_EQ(all.latencies.size() + all.metrics.missed_waiting, all.metrics.admitted);
}

}  // namespace
}  // namespace tessera
