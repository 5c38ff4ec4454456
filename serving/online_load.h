// SPDX-License-Identifier: Apache-2.0
// The requests of an online bench, and when they come: as a Poisson process, from clients who each
// wait for their last answer, or as a trace says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "packing/workload.h"
#include "program/packing_contract.h"
#include "program/popef.h"
#include "serving/virtual_run.h"
#include "support/expected.h"

namespace tessera {

// Usage errors name the option: "clients: 0, must be …".
struct OnlineLoadOptions {
  // One of these three says when requests come.
  double rate = 0;                  // requests a second, in (0, 1e9]; 0: not by a rate
  int64_t clients = 0;              // 0: not from clients
  std::vector<TimedArrival> trace;  // deadlines from the arrival on; empty: not by a trace

  int64_t requests = 2000;   // that come, without a trace
  double avg_seq_len = 128;  // mean and deviation of their lengths
  int64_t max_seq_len = 0;   // the longest; 0: the contract's longest
  Time deadline{0};          // of each, from its arrival on; 0: none
  int64_t vocab = 0;         // ids are below this; 0: the size of the executable's table
  uint32_t seed = 2023;
  bool is_virtual = false;  // no ids are needed, and more clients may come
};

struct OnlineLoad {
  // In the order of their times; deadlines are from the arrival on. Clients take them in turn,
  // whatever their times.
  std::vector<TimedArrival> arrivals;
  Workload workload;    // a request for each arrival; none in virtual time with a trace
  int64_t clients = 0;  // 0: each request comes at its time
};

// `metadata` of the executable under load; null if there is none.
Expected<OnlineLoad> online_load(const OnlineLoadOptions& options, const PackingContract& contract,
                                 const Metadata* metadata);

// A CSV file "seconds,length[,priority[,deadline_microseconds]]" with these names as its first
// line; times from the start, in any order. Deadlines as in OnlineLoad.
Expected<std::vector<TimedArrival>> read_trace(const std::string& path);

}  // namespace tessera
