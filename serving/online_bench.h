// SPDX-License-Identifier: Apache-2.0
// Requests that come one by one, through the online packer, measured: on this host, or in virtual
// time, where nothing is run and every batch takes the same time.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "executor/model_runner.h"
#include "serving/batch_former.h"
#include "serving/online_load.h"
#include "serving/runner_options.h"
#include "support/expected.h"

namespace tessera {

// A runner's options in virtual time: nothing is late there and packing takes no time, so the two
// margins are 0 unless the caller says otherwise.
RunnerOptions virtual_runner_options();

// Usage errors name the option.
struct OnlineBenchOptions {
  RunnerOptions runner;                 // always warmed up
  OnlineLoadOptions load;               // `is_virtual` here makes it a virtual run
  Time batch_time{0};                   // of a virtual run; 0: as the executable is modelled
  int64_t rows = 16, row_length = 256;  // of a virtual run without an executable, in form B
};

struct OnlineSetup {
  std::shared_ptr<ModelRunner> runner;  // none where a virtual run has no executable
  PackingContract contract;
  RunnerOptions options;
  FormerConfig& former() { return options.runner.former; }
  const FormerConfig& former() const { return options.runner.former; }
  std::string batch_time;  // where former().batch_time is from: "given", "modelled", "measured"
  OnlineLoad load;
  bool is_virtual = false;
};
// Without a runner, the options must be of a virtual run.
Expected<OnlineSetup> online_setup(std::shared_ptr<ModelRunner> runner,
                                   const OnlineBenchOptions& options);

struct OnlineFigures {
  std::string clock;              // "virtual" or "host"
  double batch_seconds = 0;       // what a batch takes
  std::string batch_time;         // "given", "modelled" or "measured"
  int64_t requests = 0;           // that came
  double seconds = 0;             // from the first arrival to the last answer
  std::vector<double> latencies;  // seconds, of the answered: submission to answer
  std::vector<FormedBatch> batches;
  OnlineMetrics metrics;

  double per_second(double count) const { return seconds > 0 ? count / seconds : 0; }
  double mean_queue_at_closing() const;  // requests
};
// `record` is told what the packer did; `progress`, how many requests have been sent of all.
Expected<OnlineFigures> run_online(OnlineSetup& setup, const FormerRecorder& record = {},
                                   const std::function<void(int64_t, int64_t)>& progress = {});

// As `tessera bench --online --json` prints it: docs/schemas/bench_online.json.
nlohmann::ordered_json to_json(const OnlineFigures& figures);

}  // namespace tessera
