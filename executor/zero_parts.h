// SPDX-License-Identifier: Apache-2.0
// The activations that the direct machine leaves out behind the last part that is used: the
// isolated machine computes them, and then has zeros there too.
#pragma once

#include <optional>
#include <vector>

#include "executor/engine.h"
#include "executor/used_parts.h"

namespace tessera {

// Activations that are zeros behind what is computed (used_parts.h), and of which parts.
struct ZeroParts {
  BatchParts batch;
  std::vector<ByPartKind<bool>> variables;
};
Expected<std::optional<ZeroParts>> zero_parts_of(const EngineParts& parts);

}  // namespace tessera
