// SPDX-License-Identifier: Apache-2.0
// The content of every value of a graph in the cells that padding adds (passes/cell_range.h).
#pragma once

#include <array>
#include <unordered_map>

#include "passes/cell_range.h"
#include "passes/token_axes.h"

namespace tessera {

struct TokenSite;

// By where a cell stands: 0, at tokens of a request; 1, behind them along the axis `sequence`; 2,
// along the axis `key` of a value for each two tokens; 3, along both. A value that is free of
// tokens has the range of all its elements. A value with an entry a row, whose entries are a
// request's, is only known to be finite.
using Cells = std::array<CellRange, 4>;
using CellsMap = std::unordered_map<const Node*, Cells>;

// `axes` are those of the site's node.
Cells cells_of_result(const TokenSite& at, const TokenAxes& axes);

// A maximum leaves out what is at most this.
double lowest_mask(const Node& node);

}  // namespace tessera
