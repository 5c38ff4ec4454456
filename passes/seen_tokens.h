// SPDX-License-Identifier: Apache-2.0
// Whether each request sees a token of its own, where masks hide some.
//
// A query of attention, or a pooling softmax, that sees no token is answered by all cells of the
// row alike: those of padding and of other requests too. No spelling of a mask is parsed here: the
// masks of a batch of ordinary tokens are computed by the reference interpreter, with 0 for all
// that tokens are looked up or multiplied to, and looked at.
#pragma once

#include "ir/graph.h"

namespace tessera {

// Batches of requests whose ids are others than 0 and whose positions count. `mask` (may be null)
// holds `there` at their tokens.
struct OrdinaryBatch {
  const Node* ids = nullptr;
  const Node* mask = nullptr;
  double there = 1;
};

// Errors: the node whose mask may hide a token from itself, or all of a request's tokens. Masks
// that cannot be computed here, or are made of too many elements and not of the ids, are not looked
// at.
Status check_tokens_are_seen(const Graph& graph, const OrdinaryBatch& batch);

// The same of a bias of attention, [1,heads or 1,queries or 1,keys or 1], for the first `tokens`.
Status check_own_keys(const Node* attention, const Array& bias, int64_t tokens);

}  // namespace tessera
