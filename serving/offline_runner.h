// SPDX-License-Identifier: Apache-2.0
// A list of requests through one executable, all known beforehand: packed as the executable takes
// them, or one a row where it was compiled without packing.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "executor/model_runner.h"
#include "packing/policy.h"
#include "serving/request.h"
#include "support/expected.h"

namespace tessera {

struct OfflineResult {
  std::vector<Answer> answers;  // in the order of the requests
  size_t batches = 0;
  std::vector<double> batch_seconds;  // of the host, in their order: packing and run
};

// Told after each batch how many of all have ended.
using OfflineProgress = std::function<void(size_t done, size_t all)>;

// Nothing runs unless every request is sound; errors name it, by its name or its
// number: "request 3: what is, what must be".
Expected<OfflineResult> run_offline(ModelRunner& runner, const PackRule& rule,
                                    std::span<const Request> requests,
                                    const RequestOptions& options = {},
                                    const OfflineProgress& progress = {});

}  // namespace tessera
