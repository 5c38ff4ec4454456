// SPDX-License-Identifier: Apache-2.0
// Requests from folders, through a PackRunner, to folders.
#pragma once

#include <memory>
#include <string>

#include "executor/model_runner.h"
#include "support/expected.h"

namespace tessera::tools {

// Each subfolder of `requests` is one request, in the order of their names: a one-dimensional
// NAME.npy per token input. Answers go to `outputs`/<request>/NAME.npy. A request that is refused
// is reported by its name and the others go on; the result is then an error that counts them.
Status run_requests(std::shared_ptr<ModelRunner> runner, const std::string& requests,
                    const std::string& outputs);

}  // namespace tessera::tools
