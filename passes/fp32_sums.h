// SPDX-License-Identifier: Apache-2.0
// What a node adds up outside of the ops that do so in f32 as a whole: for the rules of
// fp32_nodes.h.
#pragma once

#include "passes/value_range.h"

namespace tessera {

// How many numbers; 0: it is not such a sum.
int64_t summed(const Node* node, const ValueRanges& ranges);
// Whether a sum is one of squares.
bool adds_squares(const Node* node);

}  // namespace tessera
