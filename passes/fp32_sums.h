// SPDX-License-Identifier: Apache-2.0
// Sums whose parts f16 may round away. Ops that add in f32 as a whole are not among them. The rules
// of fp32_nodes.h use them.
#pragma once

#include "passes/value_range.h"

namespace tessera {

// The count of numbers that the node adds up; 0 if it is not such a sum.
int64_t summed(const Node* node, const ValueRanges& ranges);
// Whether a sum is one of squares.
bool adds_squares(const Node* node);

}  // namespace tessera
