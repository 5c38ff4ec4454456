// SPDX-License-Identifier: Apache-2.0
// The rates that policies hold online, in virtual time: Poisson arrivals of PopRT's lengths, 12,000
// requests, 16x256 in form B, 40 requests a batch, 10 ms a batch, a time limit of 15 ms. The middle
// of five runs, as the load that a seed offers varies by 4 %.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "bench/packing.h"
#include "executor/online/arrivals.h"
#include "executor/online/virtual_run.h"
#include "executor/packing/workload.h"

namespace tessera::packing_bench {
namespace {

constexpr int64_t kRequests = 12000;
constexpr uint32_t kSeeds = 5;

struct Held {
  double per_second = 0;
  double p99_ms = 0;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Expected<Held> run_once(PackPolicy policy, double rate, uint32_t seed) {
  WorkloadOptions workload;
  workload.count = kRequests;
  workload.seed = seed;
  PoissonClock clock(rate, seed);
  std::vector<TimedArrival> arrivals;
  for (const int64_t length : TRY(synthetic_lengths(workload)))
    arrivals.push_back({
        clock.next(), {length, 0, kNever}
    });
  VirtualOptions options;
  options.contract.form = PackingForm::AttentionMask;
  options.contract.rows = 16;
  options.contract.row_length = 256;
  options.contract.max_valid_num = 40;
  options.config.rule = policy;
  options.config.max_queue = kRequests;  // what saturates shall queue, not be refused
  VirtualRun run = TRY(run_virtual(options, arrivals));
  std::sort(run.latencies.begin(), run.latencies.end());
  const Time p99 = run.latencies[run.latencies.size() * 99 / 100];
  return Held{static_cast<double>(run.latencies.size()) /
                  std::chrono::duration<double>(run.end - arrivals.front().at).count(),
              std::chrono::duration<double, std::milli>(p99).count()};
}

Expected<Held> run(PackPolicy policy, double rate) {
  std::vector<double> per_second, p99;
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    const Held held = TRY(run_once(policy, rate, seed));
    per_second.push_back(held.per_second);
    p99.push_back(held.p99_ms);
  }
  return Held{median(per_second), median(p99)};
}

// A promise: at least, or at most, so many requests a second, and a 99th percentile. 0: none.
struct Case {
  PackPolicy policy;
  double rate, least_per_second, most_per_second, most_p99;
};

constexpr std::array kCases = {
    Case{PackPolicy::NextFit,  2200, 2150, 0,    40},
    Case{PackPolicy::FirstFit, 2200, 2150, 0,    30},
    Case{PackPolicy::Window,   2200, 2150, 0,    30},
    Case{PackPolicy::NextFit,  2700, 0,    2550, 0 },
    Case{PackPolicy::FirstFit, 2700, 2650, 0,    40},
    Case{PackPolicy::Window,   2700, 2650, 0,    35},
    Case{PackPolicy::NextFit,  3000, 0,    2550, 0 },
    Case{PackPolicy::FirstFit, 3000, 0,    2880, 0 },
    Case{PackPolicy::Window,   3000, 2950, 0,    60},
};

}  // namespace

Expected<SectionResult> online(const Options&) {
  SectionResult result;
  for (const Case& now : kCases) {
    const Held held = TRY(run(now.policy, now.rate));
    const std::string name = fmt::format("{} offered {:.0f}/s", to_string(now.policy), now.rate);
    const bool holds = now.least_per_second > 0;
    result.figures.push_back({name + (holds ? ": holds" : ": saturates"), "requests/s",
                              held.per_second, holds ? Must::BeAtLeast : Must::BeAtMost,
                              holds ? now.least_per_second : now.most_per_second});
    if (now.most_p99 > 0)
      result.figures.push_back({name + ": p99", "ms", held.p99_ms, Must::BeAtMost, now.most_p99});
  }
  return result;
}

}  // namespace tessera::packing_bench
