// SPDX-License-Identifier: Apache-2.0
// Axes that a reshape joined (rows with heads, tokens with rows) are kept apart for what follows,
// as far as each op has them in step: what is computed of [rows·heads,tokens,…] is computed of
// [rows,heads,tokens,…]. Every value stays the same numbers in the same order. It is then told
// which of the axes holds what.
#pragma once

#include "ir/graph.h"

namespace tessera {

// A reshape may join an axis of size `rows` with the front of the channels behind it, which are the
// heads. The pass splits such an axis too. 0: it splits none.
void split_merged_axes(Graph& graph, int64_t rows = 0);
// Only where rows of the batch, those of `ids`, cannot be told apart as the graph is, and
// can then.
void split_merged_rows(Graph& graph, const Node* ids);

}  // namespace tessera
