// SPDX-License-Identifier: Apache-2.0
// What every value of a graph holds in the cells that padding adds (passes/cell_range.h).
#pragma once

#include <unordered_map>

#include "passes/cell_range.h"
#include "passes/token_axes.h"

namespace tessera {

// Of a value that is free of tokens: what it holds anywhere. Of one with an entry a row, whose
// entries are a request's: nothing but that it is finite.
using CellRangeMap = std::unordered_map<const Node*, CellRange>;

// `filled`: the input that is 1 there (TokenShape).
CellRange range_of_added(const Node& node, const TokenAxes& axes, const CellRangeMap& known,
                         const Node* filled);

// A maximum leaves out what is at most this.
double lowest_mask(const Node& node);

}  // namespace tessera
