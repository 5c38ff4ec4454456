// SPDX-License-Identifier: Apache-2.0
// 8,000 requests that are all known, lengths clip(int(N(128, 128)), 1, 256), into batches of 16
// rows of 256 tokens. Fill is useful tokens over row tokens. The fill that each must reach was
// measured by plain models of the policies; the first two as they round to two places.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "bench/packing.h"
#include "packing/occupancy.h"
#include "packing/offline.h"
#include "packing/workload.h"

namespace tessera::packing_bench {
namespace {

constexpr int64_t kRequests = 8000;
constexpr int kRuns = 50;

struct Case {
  const char* name;
  PackingForm form;
  PackPolicy policy;
  double least_fill;
  double least_requests_per_second;  // 0: not promised
};

constexpr Case kCases[] = {
    {"next_fit",             PackingForm::B, PackPolicy::NextFit,  0.765, 0  },
    {"first_fit",            PackingForm::B, PackPolicy::FirstFit, 0.875, 2e6},
    {"best_fit",             PackingForm::B, PackPolicy::BestFit,  0.88,  0  },
    {"next_fit across rows", PackingForm::A, PackPolicy::NextFit,  0.97,  0  },
    {"window of 64",         PackingForm::B, PackPolicy::Window,   0.98,  2e6},
};

PackingContract contract_of(PackingForm form) {
  PackingContract contract;
  contract.form = form;
  contract.rows = 16;
  contract.row_length = 256;
  contract.max_valid_num = 40;
  contract.segment_max_size = 256;
  return contract;
}

}  // namespace

Expected<SectionResult> policies(const Options&) {
  WorkloadOptions workload;
  workload.count = kRequests;
  const std::vector<int64_t> lengths = TRY(synthetic_lengths(workload));
  SectionResult result;
  for (const Case& now : kCases) {
    const PackingContract contract = contract_of(now.form);
    double best = 0;  // seconds, of a thread that others may have slowed
    double fill = 0;
    for (int run = 0; run < kRuns; ++run) {
      const auto start = std::chrono::steady_clock::now();
      const std::vector<PackedBatch> batches = TRY(pack_offline(contract, now.policy, lengths));
      const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
      best = run == 0 ? time.count() : std::min(best, time.count());
      fill = occupancy(contract, batches).token_fill();
    }
    result.figures.push_back({fmt::format("{}, 16x256: fill", now.name), "of the row tokens", fill,
                              Must::BeAtLeast, now.least_fill});
    result.figures.push_back({fmt::format("{}, one thread, best of {}", now.name, kRuns),
                              "million requests/s", static_cast<double>(kRequests) / best / 1e6,
                              Must::BeAtLeast, now.least_requests_per_second / 1e6});
  }
  return result;
}

}  // namespace tessera::packing_bench
