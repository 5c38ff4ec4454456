// SPDX-License-Identifier: Apache-2.0
// A model's file as a model that is served.
#pragma once

#include <memory>
#include <string>

#include "executor/machine.h"
#include "server/memory_budget.h"
#include "server/served_model.h"
#include "serving/runner_options.h"
#include "session/session.h"

namespace tessera::server {

struct LoadOptions {
  MachineOptions machine;
  RunnerOptions runner;
  SessionOptions session;  // of ONNX models; machine is as above
  std::shared_ptr<MemoryBudget> budget;
};

// An executable by its options for runners, a path that ends in ".onnx" by those for sessions.
// Errors begin with the name.
Expected<std::shared_ptr<ServedModel>> load_model(const std::string& name,
                                                  const std::string& version,
                                                  const std::string& path,
                                                  const LoadOptions& options);

}  // namespace tessera::server
