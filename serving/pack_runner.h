// SPDX-License-Identifier: Apache-2.0
// Takes requests of any length from any thread, packs them into the fixed batch of one executable,
// and hands every caller its own answer. Which requests share a batch and when it is closed is
// decided by serving/batch_former.h under this host's clock; here are the threads: one
// packs and starts batches, one waits for them and hands out the answers, so that while a batch
// runs the next is packed.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "executor/host_arrays.h"
#include "executor/model_runner.h"
#include "serving/forming.h"
#include "serving/metrics.h"
#include "serving/request.h"
#include "support/expected.h"

namespace tessera {

class BatchExecutor;  // serving/batch_executor.h

// The time of a batch that deadlines are held against. It is a constant of the executable.
enum class BatchTime : uint8_t {
  // On this host: the slowest of the last 16 batches; unknown before the first has ended. Each
  // deadline that an idle machine refuses takes a tenth off it.
  Measured,
  Modelled,  // on the simulated target: where an executor keeps the target's pace
};

struct PackRunnerConfig {
  // Its batch_time is what deadlines are held against until a batch was measured. A thread wakes up
  // late and packing takes its time, which margin and lead allow for.
  FormerConfig former{.margin = std::chrono::milliseconds(1),
                      .lead = std::chrono::microseconds(500)};
  bool keep_order = false;  // answers are given in the order in which requests were taken
  BatchTime batch_time = BatchTime::Measured;
  bool warm_up = false;         // runs batches at the start, so that Measured is known from then on
  int64_t max_records = 65536;  // the newest are kept
  FormerRecorder record;  // told of all that decides about batches; called under a lock, in order
};

struct SubmitOptions {
  int32_t priority = 0;                   // larger goes first
  std::chrono::microseconds deadline{0};  // from now to the answer; 0: none
  std::chrono::microseconds wait{std::chrono::microseconds::max()};  // for room in the queue
};

struct BatchRecord {
  uint64_t batch = 0;
  int64_t requests = 0;
  int64_t tokens = 0;
  CloseReason reason = CloseReason::Tokens;
  double host_seconds = 0;  // from the start of packing to the end of the run
};

class PackRunner {
 public:
  struct Submission {
    RequestId id = 0;
    std::future<Expected<Answer>> answer;
  };
  using Done = std::function<void(Expected<Answer>)>;

  // The executable must say which inputs carry tokens (PackingContract). One that was compiled
  // without packing takes one request a row. Errors: numbers of the config that are out of range.
  static Expected<std::unique_ptr<PackRunner>> create(std::shared_ptr<ModelRunner> runner,
                                                      const PackRunnerConfig& config = {},
                                                      const RequestOptions& requests = {});
  // The same over what answers batches in a model's place, as tests have it.
  static Expected<std::unique_ptr<PackRunner>> create(std::shared_ptr<BatchExecutor> executor,
                                                      const PackRunnerConfig& config = {});
  ~PackRunner();  // close()

  // All functions are thread-safe.
  //
  // A request is refused at once, with Error::type (request.h) telling why, and no batch sees it:
  // it is unsound; its deadline cannot be met; the queue is full for as long as it would wait; the
  // runner is closed. A request that is taken gets one result: its answer, or an error: its
  // deadline went out of reach while it waited, it was cancelled, its batch failed.
  Expected<Submission> submit(Request request, const SubmitOptions& options = {});
  // The same with a callback: called once, by a thread of the runner or by that which cancels,
  // without locks. It may submit (which then never waits) and cancel; it must not flush for an
  // answer it waits for, drain or close. A refused request's callback is not called.
  Expected<RequestId> submit(Request request, const SubmitOptions& options, Done done);
  // From arrays (request_from), whose refusals count among the runner's.
  Expected<RequestId> submit_arrays(const InputViews& arrays, const SubmitOptions& options,
                                    Done done);
  // True if the request gets the result "cancelled": it was not answered yet. A request that is in
  // a batch already keeps its place there.
  bool cancel(RequestId id);
  void flush();  // requests that wait now wait for no others
  void drain();  // flush, and returns when all that were taken before have their results
  void close();  // refuses new requests, gives all that were taken their results

  std::vector<BatchRecord> records() const;  // of batches that have ended, in their order
  OnlineMetrics metrics() const;
  std::chrono::nanoseconds oldest_wait() const;  // of the requests that wait; 0: none does

 private:
  PackRunner();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tessera
