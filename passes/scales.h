// SPDX-License-Identifier: Apache-2.0
// Scales of quantized numbers, and what makes them: small, and f32 in any precision.
#pragma once

#include <unordered_set>

#include "ir/graph.h"

namespace tessera {

// A product of a matmul_integer's sums, as floats, by a scale.
bool is_scaled_product(const Node* node);

// Each value of f32 that scales are made of while the model runs, and each node that divides or
// multiplies by one.
std::unordered_set<const Node*> find_scales(const Graph& graph);

}  // namespace tessera
