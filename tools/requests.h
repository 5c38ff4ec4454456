// SPDX-License-Identifier: Apache-2.0
// Requests from folders, packed and run, to folders.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "executor/model_runner.h"
#include "packing/plan.h"
#include "packing/policy.h"
#include "serving/request.h"
#include "support/expected.h"
#include "tools/sandboxed.h"

namespace tessera::tools {

struct RequestPacking {
  PackRule rule = PackPolicy::Window;
  std::string plan_path;
  std::optional<PackPlan> plan;  // who goes where, in place of the rule
  bool json = false;             // the account of it
};

// By the names of their folders, in order. What is wrong with one is kept until it would run.
struct NamedRequest {
  std::string name;
  Expected<Request> request;
};
// Each subfolder is one request: a NAME.npy [length] or [length,…] per token input.
Expected<std::vector<NamedRequest>> read_requests(const std::string& folder);

// Answers go to `outputs`/<request>/NAME.npy by `write`, "": nowhere. A request that is refused is
// reported by its name and the others go on; the result is then an error that counts them. With a
// plan nothing runs unless every request is sound and is the one that was planned for.
Status run_requests(ModelRunner& runner, std::vector<NamedRequest> requests,
                    const std::string& outputs, const RequestPacking& packing,
                    const WriteOutputs& write);

}  // namespace tessera::tools
