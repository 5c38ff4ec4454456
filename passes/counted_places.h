// SPDX-License-Identifier: Apache-2.0
// A mask made of lengths: place < number of tokens of the row, where that number is the sum of the
// mask input. ONNX Runtime's fused models say their masks so.
#pragma once

#include <optional>

#include "ir/graph.h"

namespace tessera {

// A constant behind views, of moderate size.
std::optional<Array> known_value(const Node* value);

// Whether i32 `lengths`, a value [rows] behind reshapes and casts, is at most the sum over each row
// of a mask input: the number of its tokens, as the input is 0 in the cells behind them.
bool counts_tokens(const Node* lengths);

// The axis of `less` along which the left side counts places from 0 on (or from further on), if the
// right side is such a number for each row. False then in every cell behind a request's tokens.
std::optional<int> axis_of_counted_places(const Node& less);

}  // namespace tessera
