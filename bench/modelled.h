// SPDX-License-Identifier: Apache-2.0
// A configuration on the model of the machine: compile it, ask its cycles, and pack the requests
// that its batches would hold.
#pragma once

#include <map>
#include <string>

#include "bench/bench_folder.h"
#include "bench/figures.h"
#include "cost/cost.h"
#include "support/expected.h"

namespace tessera::figures {

struct Modelled {
  ProgramCost cost;  // of one batch
  double requests_per_batch = 0;
  int64_t peak_bytes = 0, bytes_per_tile = 0;
  bool fits = true;
  double compile_seconds = 0;  // of the host

  double samples_per_second() const { return requests_per_batch / cost.seconds_per_batch; }
};

// A packed executable is fed `requests`, cut into batches in their order as fast as they can be
// taken; a longest length of 0 is the contract's. Errors: those of compiling, and a request that
// the contract does not take.
Expected<Modelled> model_throughput(const std::string& model_path, const CompileOptions& options,
                                    const Requests& requests);

// Writes models of figures to a folder of its own, each once, and removes it at the end.
class ModelFolder {
 public:
  Expected<std::string> path_of(const MakeModelOptions& options);

 private:
  const BenchFolder folder_{"tessera-figures"};
  std::map<std::string, std::string> paths_;  // by the options' text
};

}  // namespace tessera::figures
