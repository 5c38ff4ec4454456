// SPDX-License-Identifier: Apache-2.0
// Counts of what a model has done so far, with the meanings of Triton's statistics extension: a
// call is a request there, its rows are inferences, and an execution is a batch on the machine.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>

#include "server/call.h"
#include "support/expected.h"

namespace tessera::server {

using Nanoseconds = std::chrono::nanoseconds;

struct CountedTime {
  uint64_t count = 0, ns = 0;
  void add(Nanoseconds time) {
    ++count;
    ns += static_cast<uint64_t>(time.count() < 0 ? 0 : time.count());
  }
};

// Triton's reasons of failures.
enum class FailReason : uint8_t { Rejected, Canceled, Backend, Other };
inline constexpr std::array kFailReasons = {FailReason::Rejected, FailReason::Canceled,
                                            FailReason::Backend, FailReason::Other};
std::string_view to_string(FailReason reason);  // "REJECTED", …
FailReason fail_reason(const Error& error);

struct ModelStatistics {
  int64_t last_inference_ms = 0;  // since 1970
  uint64_t inferences = 0, executions = 0;
  CountedTime success, fail, queue, compute_input, compute_infer, compute_output;
  std::array<uint64_t, kFailReasons.size()> fails{};  // by FailReason
  struct BatchSize {
    CountedTime compute_input, compute_infer;
  };
  std::map<int64_t, BatchSize> by_batch;  // by the requests of a batch
};

// Thread-safe.
class StatisticsBook {
 public:
  // A call and its rows. `output`: the time that its tensors took to put together.
  void answered(const std::vector<RowRide>& rides, Nanoseconds whole, Nanoseconds output);
  // The same for a model that does not pack: one execution a call.
  void answered_alone(int64_t rows, Nanoseconds whole, Nanoseconds queue, Nanoseconds run);
  void failed(const Error& error, Nanoseconds whole);
  ModelStatistics read() const;

 private:
  void mark_success(uint64_t rows, Nanoseconds whole);

  mutable std::mutex mutex_;
  ModelStatistics now_;
  bool any_batch_ = false;
  uint64_t last_batch_ = 0;  // batches end in order, so each is counted once, with its first answer
};

}  // namespace tessera::server
