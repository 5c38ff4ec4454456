// SPDX-License-Identifier: Apache-2.0
// Every pass by name. The top of each file says what its pass does.
#pragma once

#include "passes/pipeline.h"

namespace tessera {

#define PASS(name, ...) Expected<bool> name(Graph& graph, PassState& state);
#include "passes/passes.def"
#undef PASS

}  // namespace tessera
