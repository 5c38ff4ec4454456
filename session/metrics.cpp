// SPDX-License-Identifier: Apache-2.0
#include "session/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "session/key.h"

namespace tessera {
namespace {

constexpr size_t kMostShapes = 100'000;

// A label's value: backslash, quote and line break are escaped.
std::string label(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\' || c == '"') escaped += '\\';
    escaped += c == '\n' ? "\\n" : std::string(1, c);
  }
  return escaped;
}

}  // namespace

void Metrics::answered(const InputShapes& shapes) {
  ++hits_;
  valid_tokens_ += elements_of(shapes);
  if (shapes_.size() < kMostShapes) shapes_.insert(shapes);
}

void Metrics::add_compile(const RecompileEvent& event) {
  ++misses_;
  ++compiles_[to_string(event.cause())];
  const double seconds = event.wall_ms / 1e3;
  seconds_ += seconds;
  ++seconds_buckets_[static_cast<size_t>(std::ranges::lower_bound(kBuckets, seconds) -
                                         kBuckets.begin())];
}

void Metrics::add(const RecompileEvent& event) {
  model_ = event.model;
  const bool was_asked_for = event.kind != EventKind::Evicted && !event.shapes.empty();
  if (was_asked_for && shapes_.size() < kMostShapes) shapes_.insert(event.shapes);
  blocked_seconds_ += event.blocked_ms / 1e3;
  saved_seconds_ += event.cache.saved_seconds;
  if (event.cache.outcome == CacheOutcome::Reject) ++rejects_;
  switch (event.kind) {
    case EventKind::Recompile: ++recompiles_[to_string(event.cause())]; [[fallthrough]];
    case EventKind::ColdCompile: add_compile(event); break;
    case EventKind::CacheLoad:
    case EventKind::BucketHit: ++hits_; break;
    case EventKind::Rejected: ++refused_; break;
    case EventKind::Evicted: ++evictions_; break;
    case EventKind::Closed: break;
  }
  const bool answered =
      event.error.empty() && event.request_id >= 0 && event.kind != EventKind::Rejected;
  if (!answered) return;
  valid_tokens_ += elements_of(event.shapes);
  if (event.policy.action == PolicyAction::PaddedTo)
    pad_tokens_ += elements_of(event.policy.padded_to) - elements_of(event.shapes);
}

SessionCounts Metrics::counts() const {
  return {compiles_, recompiles_, hits_, misses_, refused_, seconds_};
}

std::string Metrics::text() const {
  const std::string model = "model=\"" + label(model_) + "\"";
  std::string text;
  const auto head = [&](const char* name, const char* type, const char* help) {
    text += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
  };
  const auto one = [&](const char* name, const char* type, const char* help, auto value) {
    head(name, type, help);
    text += fmt::format("{}{{{}}} {}\n", name, model, value);
  };
  const auto by_cause = [&](const MetricWords& metric,
                            const std::map<std::string_view, int64_t>& counts) {
    head(metric.name, "counter", metric.help);
    for (const auto& [cause, count] : counts)
      text += fmt::format("{}{{{},cause=\"{}\"}} {}\n", metric.name, model, cause, count);
  };
  by_cause(kCompilesTotal, compiles_);
  by_cause(kRecompilesTotal, recompiles_);
  head("tessera_compile_seconds", "histogram", "Host time from the call to a runner.");
  int64_t below = 0;
  for (size_t i = 0; i < kBuckets.size(); ++i) {
    below += seconds_buckets_[i];
    text += fmt::format("tessera_compile_seconds_bucket{{{},le=\"{}\"}} {}\n", model, kBuckets[i],
                        below);
  }
  const int64_t count =
      std::accumulate(seconds_buckets_.begin(), seconds_buckets_.end(), int64_t{0});
  text += fmt::format("tessera_compile_seconds_bucket{{{},le=\"+Inf\"}} {}\n", model, count);
  text += fmt::format("tessera_compile_seconds_sum{{{}}} {}\n", model, seconds_);
  text += fmt::format("tessera_compile_seconds_count{{{}}} {}\n", model, count);
  one("tessera_compile_blocked_seconds_total", "counter",
      "Time that callers waited for compiles and loads.", blocked_seconds_);
  one("tessera_cache_hits_total", "counter",
      "Batches served by an executable in memory or on disk.", hits_);
  one("tessera_cache_misses_total", "counter", "Compiles of executables that no cache had.",
      misses_);
  one("tessera_cache_evictions_total", "counter", "Executables that were removed to make room.",
      evictions_);
  one("tessera_cache_rejects_total", "counter",
      "Entries that were damaged, untrusted or past a limit.", rejects_);
  one("tessera_cache_bytes", "gauge", "Bytes of the cache on disk.", cache_bytes_);
  one("tessera_cache_saved_seconds_total", "counter",
      "Compile time of the executables that were loaded.", saved_seconds_);
  one(kRefusedTotal.name, "counter", kRefusedTotal.help, refused_);
  one("tessera_distinct_shapes", "gauge", "Different input shapes so far.", shapes_.size());
  one("tessera_pad_tokens_total", "counter", "Elements of the first input that padding added.",
      pad_tokens_);
  one("tessera_valid_tokens_total", "counter", "Elements of the first input as callers sent them.",
      valid_tokens_);
  return text;
}

}  // namespace tessera
