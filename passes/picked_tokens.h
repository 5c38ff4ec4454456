// SPDX-License-Identifier: Apache-2.0
// One token of each row, named by an index that the model computes: the last one by a count of the
// mask, or the one where a value is largest (CLIP's end of text).
#pragma once

#include "ir/graph.h"

namespace tessera {

// Lookups of such an index in the line of all tokens become sums over the tokens of a row, in which
// all but one are 0: that is followed where requests are padded or packed (passes/token_axes.h), a
// computed index is not. The answers stay the same for rows whose mask is 1 from the start and 0
// behind it. An index of which that is not shown stays as it is. `mask` is the input that says
// which tokens are there; null: nothing is changed.
//
// The new form asks for the largest value among the tokens that are there alone. So a value is
// taken only where cells behind a request, which hold 0 in every input (perhaps 1 in the mask),
// hold none that is larger than a token's: the model's own form finds the same token in a padded
// row.
Status settle_picked_tokens(Graph& graph, const Node* ids, Node* mask);

}  // namespace tessera
