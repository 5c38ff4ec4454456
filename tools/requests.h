// SPDX-License-Identifier: Apache-2.0
// Requests from folders, packed and run, to folders.
#pragma once

#include <string>

#include "executor/model_runner.h"
#include "executor/packing/policy.h"
#include "support/expected.h"

namespace tessera::tools {

struct RequestPacking {
  PackRule rule = PackPolicy::Window;
  std::string plan;  // a file that says who goes where, in place of the rule; "" if none
};

// Each subfolder of `folder` is one request, in the order of their names: a one-dimensional
// NAME.npy per token input. Answers go to `outputs`/<request>/NAME.npy, "": nowhere. A request that
// is refused is reported by its name and the others go on; the result is then an error that counts
// them. With a plan nothing runs unless every request is sound and is the one that was planned for.
Status run_requests(ModelRunner& runner, const std::string& folder, const std::string& outputs,
                    const RequestPacking& packing);

}  // namespace tessera::tools
