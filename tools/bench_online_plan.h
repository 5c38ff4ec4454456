// SPDX-License-Identifier: Apache-2.0
// What an online bench is to do, read from its flags: the executable or a contract alone, the
// former's numbers, and the requests with their times.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "executor/model_runner.h"
#include "packing/workload.h"
#include "serving/runner_options.h"
#include "serving/virtual_run.h"
#include "tools/verb.h"

namespace tessera::tools {

struct OnlinePlan {
  std::shared_ptr<ModelRunner> runner;  // none where a virtual run has no executable
  PackingContract contract;
  RunnerOptions options;
  FormerConfig& former() { return options.runner.former; }
  const FormerConfig& former() const { return options.runner.former; }
  std::string batch_time;  // what former().batch_time is: "given", "modelled", "measured"
  // Requests in the order of `arrivals`; deadlines there are from the arrival on. Clients take them
  // in turn, whatever their times.
  std::vector<TimedArrival> arrivals;
  Workload workload;
  int64_t clients = 0;  // 0: open loop
};

po::options_description online_plan_flags();
Expected<OnlinePlan> online_plan(const po::variables_map& flags);
// A CSV file "seconds,length[,priority[,deadline_microseconds]]" with these names as its first
// line; times from the start, in any order. Deadlines as in OnlinePlan.
Expected<std::vector<TimedArrival>> read_trace(const std::string& path);

}  // namespace tessera::tools
