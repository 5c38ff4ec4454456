// SPDX-License-Identifier: Apache-2.0
// The range of a matmul: by weights, one that training has kept moderate; by a constant of one
// number, a sum; by whole numbers that f16 rounds, any size; of activations, a sum of products.
#pragma once

#include <optional>

#include "passes/value_range.h"

namespace tessera {

// The terms that a matmul adds up by a constant operand that holds one number and perhaps zeros:
// rows and blocks of ones, triangles, means. Weights that were trained are not like that.
struct Addends {
  double number = 0;
  int64_t most = 0;  // that one result adds up, at most
};
std::optional<Addends> addends_of(const Node& matmul, size_t operand);

// Whether each result is one number of the other operand, times one number: a matrix of blocks that
// repeats or picks.
bool hands_out(const Node& node);
// Whether a constant operand's weights add up to 0 in every sum, as those of a matrix that centers
// do, or of one that subtracts neighbours. No weights that were trained do in all.
bool takes_differences(const Node& node);
// Whether f16 loses all weights of at least half of the sums.
bool most_weights_vanish(const Node& matmul, size_t operand);

// `is_score`: a softmax is to take it.
ValueRange range_of_matmul(const Node& node, const ValueRange& a, const ValueRange& b,
                           bool is_score);

}  // namespace tessera
