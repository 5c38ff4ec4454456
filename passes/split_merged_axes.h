// SPDX-License-Identifier: Apache-2.0
// Axes that a reshape joined (rows with heads, tokens with rows) are kept apart for what follows,
// as far as each op has them in step: what is computed of [rows·heads,tokens,…] is computed of
// [rows,heads,tokens,…]. Every value stays the same numbers in the same order. It is then told
// which of the axes holds what.
#pragma once

#include "ir/graph.h"

namespace tessera {

// `rows`: so many that stand before channels may also be joined with the front of these, the heads;
// 0: none are.
void split_merged_axes(Graph& graph, int64_t rows = 0);
// Only where rows of the batch, those of `ids`, cannot be told apart as the graph is, and
// can then.
void split_merged_rows(Graph& graph, const Node* ids);

}  // namespace tessera
