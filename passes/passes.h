// SPDX-License-Identifier: Apache-2.0
// Every pass by name. What each does stands at the top of its file.
#pragma once

#include "passes/pipeline.h"

namespace tessera {

#define PASS(name, ...) Expected<bool> name(Graph& graph, PassState& state);
#include "passes/passes.def"
#undef PASS

}  // namespace tessera
