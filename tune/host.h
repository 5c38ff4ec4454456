// SPDX-License-Identifier: Apache-2.0
// How products are best blocked on this host, measured: what `tessera tune` tells and keeps. Times
// are the host's.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "executor/host_tuning.h"
#include "executor/machine.h"
#include "support/expected.h"

namespace tessera {

struct MeasuredBlocks {
  MatMulBlocks blocks;
  double seconds = 0;  // of the products that are measured: the sum of the least times
  double spread = 0;   // of its rounds: the middle one over the least, less 1
};
struct HostTuning {
  MeasuredBlocks chosen;
  MeasuredBlocks usual;  // MatMulBlocks as they are without a measurement
  int candidates = 0;
  int rounds = 0;
  int threads = 0;
  double gflops = 0;  // of all threads together, with what was chosen
};
struct TuningOptions {
  double seconds = 10;  // to measure for, after compiling
  int threads = 0;      // 0: one per core
  std::string cpu = {};
  std::string cache_folder = default_object_cache();  // of compiled codelets
};
// Multiplies f16 matrices of BERT-base's sizes on all threads at once, candidate after candidate in
// turns. The usual blocks stay unless others are faster by more than a hundredth. Errors: those of
// compiling.
Expected<HostTuning> tune_host(const TuningOptions& options,
                               const std::function<void(int done, int all)>& progress = {});

// As docs/schemas/tune.json has it. `kept`: whether later loads take it.
nlohmann::ordered_json host_tuning_json(const HostTuning& found, bool kept);

}  // namespace tessera
