// SPDX-License-Identifier: Apache-2.0
// Counters of a session, in Prometheus' text format (docs/recompiles.md lists them).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "session/events.h"
#include "session/session.h"

namespace tessera {

// The name of a metric and its help, which tessera serve's page has too.
struct MetricWords {
  const char *name, *help;
};
inline constexpr MetricWords kCompilesTotal{"tessera_compiles_total",
                                            "All compiles, including the first, by cause."};
inline constexpr MetricWords kRecompilesTotal{
    "tessera_recompiles_total", "Compiles of a model that had an executable, by cause."};
inline constexpr MetricWords kRefusedTotal{"tessera_refused_total",
                                           "Batches that the policy refused."};

// Not thread-safe.
class Metrics {
 public:
  void add(const RecompileEvent& event);
  void answered(const InputShapes& shapes);  // a batch whose executable was ready
  void set_cache_bytes(int64_t bytes) { cache_bytes_ = bytes; }
  std::string text() const;
  SessionCounts counts() const;

  // Upper ends of the histogram of compile seconds.
  static constexpr std::array kBuckets{0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0};

 private:
  void add_compile(const RecompileEvent& event);

  std::string model_;
  // By the word of the cause, which is the order in which they are printed.
  std::map<std::string_view, int64_t> compiles_, recompiles_;
  std::array<int64_t, kBuckets.size() + 1> seconds_buckets_{};
  double seconds_ = 0, blocked_seconds_ = 0, saved_seconds_ = 0;
  int64_t hits_ = 0, misses_ = 0, evictions_ = 0, rejects_ = 0, refused_ = 0;
  int64_t cache_bytes_ = 0;
  int64_t valid_tokens_ = 0, pad_tokens_ = 0;
  std::set<InputShapes> shapes_;
};

}  // namespace tessera
