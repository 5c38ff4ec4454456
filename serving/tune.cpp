// SPDX-License-Identifier: Apache-2.0
#include "serving/tune.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <utility>

#include "packing/offline.h"
#include "serving/arrivals.h"
#include "serving/latencies.h"
#include "serving/virtual_run.h"
#include "support/check.h"

namespace tessera {
namespace {

constexpr std::array kWindows = {16, 32, 64, 128, 256};
constexpr std::array kTimeLimits = {0.0, 0.25, 0.5, 1.0, 2.0};  // batch times
constexpr double kGoodEnough = 0.995;

PackRule window_rule(int64_t window, int64_t pinned) {
  PackRule rule(PackPolicy::Window);
  rule.window = window;
  rule.pinned = std::min(pinned, window);
  return rule;
}

Occupancy packed(const PackingContract& contract, const PackRule& rule,
                 std::span<const int64_t> lengths) {
  const auto batches = pack_offline(contract, rule, lengths);
  CHECK(batches.ok());
  return occupancy(contract, *batches);
}

double seconds(Time time) { return std::chrono::duration<double>(time).count(); }
Time in_time(double seconds) { return Time(std::llround(seconds * 1e9)); }

void choose_window(TunedShape& shape, const PackingContract& contract, Time batch_time,
                   std::span<const int64_t> lengths, int64_t pinned) {
  std::vector<TunedShape> tried;
  double best = 0;
  for (const int64_t window : kWindows) {
    TunedShape& now = tried.emplace_back();
    now.rule = window_rule(window, pinned);
    now.occupancy = packed(contract, now.rule, lengths);
    now.requests_per_second = static_cast<double>(now.occupancy.requests) /
                              (static_cast<double>(now.occupancy.batches) * seconds(batch_time));
    best = std::max(best, now.requests_per_second);
  }
  shape = *std::find_if(tried.begin(), tried.end(), [&](const TunedShape& now) {
    return now.requests_per_second >= kGoodEnough * best;
  });
}

Status choose_time_limit(TunedShape& shape, const VirtualOptions& base,
                         std::span<const TimedArrival> arrivals) {
  for (const double times : kTimeLimits) {
    VirtualOptions options = base;
    options.config.timeout = std::chrono::duration_cast<Time>(times * base.batch_time);
    const VirtualRun run = TRY(run_virtual(options, arrivals));
    std::vector<double> latencies;
    for (const Time latency : run.latencies) latencies.push_back(seconds(latency));
    const Latencies sorted(std::move(latencies));
    const Time p99 = in_time(sorted.at(0.99));
    if (times != kTimeLimits.front() && p99 >= shape.p99) continue;
    shape.time_limit = options.config.timeout;
    shape.p50 = in_time(sorted.at(0.5));
    shape.p99 = p99;
    shape.keeps_up = run.end - arrivals.back().at <= shape.time_limit + 4 * base.batch_time;
  }
  return {};
}

}  // namespace

Expected<TunedShape> tune_shape(const PackingContract& contract, Time batch_time,
                                std::span<const int64_t> lengths, const TuneOptions& options) {
  CHECK(!lengths.empty() && batch_time >= Time(1));
  const int64_t pinned =
      std::min({options.pinned, contract.rows, std::max<int64_t>(1, most_requests(contract))});
  TunedShape shape;
  choose_window(shape, contract, batch_time, lengths, pinned);
  shape.rate = options.rate > 0 ? options.rate : 0.8 * shape.requests_per_second;

  VirtualOptions base;
  base.contract = contract;
  base.batch_time = batch_time;
  base.config.rule = shape.rule;
  base.config.max_queue = std::ssize(lengths);  // who cannot be served soon waits, and shows
  PoissonClock clock(shape.rate, 1);
  std::vector<TimedArrival> arrivals;
  for (const int64_t length : lengths) {
    TimedArrival& arrival = arrivals.emplace_back();
    arrival.at = clock.next();
    arrival.arrival.length = length;
  }
  TRY(choose_time_limit(shape, base, arrivals));
  return shape;
}

std::vector<int64_t> request_limits(const PackingContract& contract,
                                    std::span<const int64_t> lengths) {
  PackingContract unlimited = contract;
  unlimited.form = PackingForm::A;
  unlimited.max_valid_num = row_tokens(contract);
  const Occupancy used = packed(unlimited, window_rule(64, 1), lengths);
  const double mean = static_cast<double>(used.requests) / static_cast<double>(used.batches);
  std::vector<int64_t> limits;
  for (const double share : {1.0, 1.1, 1.25}) {
    const auto limit = static_cast<int64_t>(std::ceil(mean * share));
    if (limits.empty() || limit > limits.back()) limits.push_back(limit);
  }
  return limits;
}

}  // namespace tessera
