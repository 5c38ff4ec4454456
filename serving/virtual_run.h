// SPDX-License-Identifier: Apache-2.0
// Online packing in virtual time: the former's own code, a machine that takes the same time for
// every batch, and hosts that take none. Nothing depends on this machine's clock or threads: the
// same arrivals give the same batches everywhere.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "serving/batch_former.h"

namespace tessera {

struct TimedArrival {
  Time at{0};
  Arrival arrival;  // its deadline is a point in time, as everywhere
};

struct VirtualOptions {
  PackingContract contract;
  FormerConfig config;
  Time batch_time = std::chrono::milliseconds(10);  // of the machine, and of config where it is 0
  FormerRecorder record;
};

struct VirtualRun {
  std::vector<FormedBatch> batches;
  std::vector<Time> ends;       // of the batches
  std::vector<Time> latencies;  // of the answered, arrival to answer, in the order of answers
  OnlineMetrics metrics;
  Time end{0};  // of the last batch
};

// A client's next request, once its last has been answered, refused or missed at `now`; closed
// loop.
using NextArrival = std::function<std::optional<TimedArrival>(Time now)>;

// Arrivals in any order; their lengths must be in 1 .. longest_request. Runs until every request
// has its result; nothing is closed or drained, so the last batches wait for their time limit.
// Errors: what BatchFormer::create refuses; a batch time below 1 ns.
Expected<VirtualRun> run_virtual(const VirtualOptions& options,
                                 std::span<const TimedArrival> arrivals,
                                 const NextArrival& next = {});

}  // namespace tessera
