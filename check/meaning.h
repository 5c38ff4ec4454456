// SPDX-License-Identifier: Apache-2.0
// The meaning of a model's inputs, and how it was found: by what the graph does with them, and by
// their usual names where it shows nothing.
#pragma once

#include <vector>

#include "check/cases.h"
#include "check/check.h"

namespace tessera {

// `graph` is the model after the passes, unpacked: its attentions are nodes.
TokenInputs find_token_inputs(const Graph& graph, std::vector<InputMeaning>& meanings);

}  // namespace tessera
