// SPDX-License-Identifier: Apache-2.0
// Takes requests of any length from any thread, packs them into the fixed batch of one executable,
// and hands every caller its own answer. A batch closes when it is full by count or by tokens, when
// the oldest request has waited its time, or at flush/close; each batch says which.
#pragma once

#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "executor/model_runner.h"
#include "executor/packing/pack.h"
#include "executor/request.h"

namespace tessera {

enum class CloseReason : uint8_t { Count, Tokens, Timeout, Flush };
std::string_view to_string(CloseReason reason);

struct PackRunnerConfig {
  std::chrono::microseconds timeout{15000};  // first request of a batch to its sending
  int64_t max_valid_num = 0;                 // 0: the executable's
  PackPolicy policy = PackPolicy::FirstFit;  // form B; form A goes end to end
  size_t max_queue = 4096;                   // more waiting requests make submit wait
};

struct BatchRecord {
  uint64_t batch = 0;
  int64_t requests = 0;
  int64_t tokens = 0;
  CloseReason reason = CloseReason::Count;
  double host_seconds = 0;  // packing, run and hand-out
};

class PackRunner {
 public:
  // The executable must say which inputs carry tokens (PackingContract). One that was compiled
  // without packing takes one request a row.
  static Expected<std::unique_ptr<PackRunner>> create(std::shared_ptr<ModelRunner> runner,
                                                      const PackRunnerConfig& config = {});
  ~PackRunner();  // close()

  // Thread-safe. What is wrong with a request comes back at once, by name, and no batch sees it:
  // empty, longer than a request may be, unknown input, lengths that differ, a mask with a hole,
  // an id out of range, a runner that is closed.
  Expected<std::future<Expected<Answer>>> submit(Request request);
  void flush();  // sends what waits
  void close();  // refuses new requests, answers all that were taken
  std::vector<BatchRecord> records() const;

 private:
  PackRunner();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tessera
