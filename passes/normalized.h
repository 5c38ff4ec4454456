// SPDX-License-Identifier: Apache-2.0
// Layer norm and its form without a mean have this in common: a row divided by a root of its
// squares.
#pragma once

#include <optional>

#include "passes/pipeline.h"

namespace tessera {

// Whether every row of this value is the mean of that row of x, over the last axis.
bool is_mean_of(Node* node, const Node* x);

// gamma / √(mean(v²) + eps) times one factor that is left over: v, what v came from, or its mean.
struct Normalized {
  Node* squared = nullptr;  // v
  double eps = 0;
  Node* gamma = nullptr;  // null: 1
  Node* rest = nullptr;
};
std::optional<Normalized> match_normalized(Node* node);

// Whether put_row may make what a norm of x lacks: few rows are as long as to fill the host.
bool may_put_rows(PassState& state, int64_t lacking, const TensorType& x);
// The given vector as an operand of a norm of x; null: a constant of this number.
Node* put_row(Graph& graph, Node* before, Node* given, double otherwise, const TensorType& x);

}  // namespace tessera
