// SPDX-License-Identifier: Apache-2.0
// The source of answers to packed batches: a model on the machine (batch_runner.h), or a test's.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "packing/pack.h"
#include "serving/request.h"
#include "support/expected.h"

namespace tessera {

// A batch on its way. finish waits for its end and gives the answers in the order of placements,
// or for a request why it has none (Answer::refused); it is called once, and not while an earlier
// batch of the same executor is unfinished.
class RunningBatch {
 public:
  virtual ~RunningBatch() = default;
  virtual Expected<std::vector<Answer>> finish() = 0;
};

// Thread-safe.
class BatchExecutor {
 public:
  virtual ~BatchExecutor() = default;
  virtual const PackingContract& contract() const = 0;
  // The modelled time of a batch, in seconds; 0 if it is not known.
  virtual double modelled_seconds() const = 0;
  // The request's length in tokens, or what is wrong with it: "request: what is, what must be".
  virtual Expected<int64_t> check(const Request& request) const = 0;
  // Puts checked requests, as the batch's placements number them, on their way behind the batches
  // that were started before, and returns. Requests are not looked at after start has returned.
  virtual std::unique_ptr<RunningBatch> start(const PackedBatch& batch,
                                              std::span<const Request* const> requests,
                                              uint64_t number) = 0;
};

}  // namespace tessera
