// SPDX-License-Identifier: Apache-2.0
// The counts of online packing, and their text for Prometheus.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// Why a batch was closed (serving/batch_former.h).
enum class CloseReason : uint8_t { Tokens, Segments, Timeout, Deadline, Flush, Drain };
inline constexpr std::array kCloseReasons = {CloseReason::Tokens,  CloseReason::Segments,
                                             CloseReason::Timeout, CloseReason::Deadline,
                                             CloseReason::Flush,   CloseReason::Drain};
std::string_view to_string(CloseReason reason);  // "tokens", …

// Counts of values up to each bound, and above the last.
struct Histogram {
  explicit Histogram(std::vector<double> upper_bounds);
  void add(double value);

  std::vector<double> bounds;    // ascending
  std::vector<uint64_t> counts;  // of each bound's own interval; one more than bounds
  double sum = 0;
  uint64_t count = 0;
};

// Values, not thread-safe: a runner hands out a copy (PackRunner::metrics).
struct OnlineMetrics {
  // Now.
  int64_t queue_requests = 0, queue_tokens = 0;
  // Ever.
  int64_t most_queue_requests = 0, most_queue_tokens = 0;
  uint64_t admitted = 0, answered = 0, failed = 0;  // failed: its batch ended with an error
  uint64_t cancelled = 0;                           // of these:
  uint64_t cancelled_in_flight = 0;                 // their place in a batch was wasted
  uint64_t missed_waiting = 0;                      // deadline out of reach before any batch
  uint64_t missed_answered = 0;                     // answered, but late
  uint64_t not_finite = 0;  // answered by an executable in half precision, with infinities or NaN
  std::map<std::string, uint64_t, std::less<>> rejected;  // by Error::type
  std::array<uint64_t, kCloseReasons.size()> batches{};   // by CloseReason
  uint64_t tokens = 0, pad_tokens = 0;                    // of all batches: useful, and the rest
  uint64_t requests = 0, request_slots = 0;               // of all batches: in them, and at most
  int64_t most_batches_waited = 0;

  Histogram queue_seconds;      // admission to the closing of its batch
  Histogram answer_seconds;     // submission to answer
  Histogram pack_seconds;       // host time to make a batch's tensors
  Histogram token_occupancy;    // of each batch: tokens over row tokens
  Histogram segment_occupancy;  // of each batch: requests over the most that it may hold

  OnlineMetrics();
  uint64_t& of(CloseReason reason) { return batches[static_cast<size_t>(reason)]; }
  uint64_t all_batches() const;
  double token_fill() const;  // of all batches so far; 0 before the first
  double segment_fill() const;
};

// Is told one metric after another: its family, then its samples. Names are without "tessera_".
class MetricReader {
 public:
  virtual ~MetricReader() = default;
  // `type`: counter, gauge or histogram.
  virtual void family(std::string_view name, std::string_view type, std::string_view help) = 0;
  virtual void sample(double value, std::string_view label = "", std::string_view of = "") = 0;
  virtual void histogram(const Histogram& values) = 0;
};
// Thread-safe while nothing changes the metrics.
void read_metrics(const OnlineMetrics& metrics, MetricReader& reader);

// Prometheus' text exposition format, version 0.0.4; every sample has the label model.
std::string prometheus_text(const OnlineMetrics& metrics, std::string_view model);

}  // namespace tessera
