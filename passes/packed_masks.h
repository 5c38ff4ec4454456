// SPDX-License-Identifier: Apache-2.0
// The masks of attentions in a packed batch.
//
// A request is packed without padding, so within it the mask input is 1 everywhere, and keys of
// other requests are hidden by their number or length. All else that a mask adds to scores is then
// a constant: causal, a window, relative positions. It is found by computing the mask for a batch
// of 1s, whatever nodes spell it.
#pragma once

#include "ir/graph.h"

namespace tessera {

// Places below the number of tokens that `mask` has in a row become the cells where it is not 0.
// Attentions by a mask of keys that is computed from `mask` get `mask` itself where that says the
// same of a batch of 1s.
// Attentions with a bias made of `mask` (may be null) and constants get the mask "keys" where it is
// made of the mask, and a constant bias [1,heads or 1,queries,keys] where one is left.
// Errors: a bias that is made of another input, is another for each row, or hides a token from
// itself.
Status settle_packed_masks(Graph& graph, Node* mask);

// The first `length` queries and keys of a constant bias of settle_packed_masks: what it says in a
// row that holds one request.
Node* put_bias_of_request(Graph& graph, const Node* before, Node* bias, int64_t length);

}  // namespace tessera
