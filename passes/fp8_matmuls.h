// SPDX-License-Identifier: Apache-2.0
// The matmuls that may be fp8, for the pass that makes them so and for calibration.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"

namespace tessera {

// Whether a node is a matmul of f16 by a constant that has data.
bool is_by_weight(const Node& node);
// The names that users have for it: ONNX nodes that it came from, outputs that it is, its own.
std::vector<std::string> names_of(const Graph& graph, const Node& matmul);

}  // namespace tessera
