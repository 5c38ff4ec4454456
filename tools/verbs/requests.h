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
#include "support/limits.h"
#include "tools/sandbox/sandboxed.h"

namespace tessera::tools {

struct RequestPacking {
  PackRule rule = PackPolicy::Window;
  std::string plan_path;
  std::optional<PackPlan> plan;  // who goes where, in place of the rule
  bool json = false;             // the account of it
  bool on_stderr = false;        // that account, where answers go to standard output
};

// The content of one folder: a request, or a padded batch of them. An error in it is kept until it
// would run.
struct NamedRequest {
  std::string name;  // of the folder, "" of `folder` itself
  Expected<Request> request;
};
// Each subfolder is a request (a NAME.npy [length] or [length,…] per token input) or a padded batch
// ([rows,length] or [rows,length,…]). A folder that holds arrays itself is the only one. An archive
// (tools/files/array_stores.h) holds the same paths, within limits.memory.
Expected<std::vector<NamedRequest>> read_requests(const std::string& path, const Limits& limits);

// Answers go to answer_folder/NAME.npy by `write`, `outputs` "": nowhere; of a padded batch as
// arrays of its shape, 0 where padding is. A request that is refused is reported by its name and
// the others go on, but for those of its padded batch; the result is then an error that counts
// them. With a plan nothing runs unless every request is sound and is the one that was planned for.
Status run_requests(ModelRunner& runner, std::vector<NamedRequest> requests,
                    const std::string& outputs, const RequestPacking& packing,
                    const WriteOutputs& write);

}  // namespace tessera::tools
