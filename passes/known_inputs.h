// SPDX-License-Identifier: Apache-2.0
// The inputs of which a graph says something: which are indices, into a table of how many rows, and
// which are masks.
#pragma once

#include <unordered_map>
#include <unordered_set>

#include "ir/graph.h"

namespace tessera {

struct KnownInputs {
  // Looked up as they are: runners refuse an index outside of the smallest of the tables.
  std::unordered_map<const Node*, int64_t> limits;
  // By contract of 0 and 1: what attention hides keys by, and m in (1 - m) · -10000.
  std::unordered_set<const Node*> masks;
  // Masks of keys, each with one attention that it hides keys from. Attention asks only whether a
  // number is 0; the model's own arithmetic may tell 1 from 2.
  std::unordered_map<const Node*, const Node*> key_masks;
  // m in (1 - m) · -10000, each with one such product: in f16 another number than 0 and 1 makes one
  // beside which scores are rounded.
  std::unordered_map<const Node*, const Node*> penalties;
};

KnownInputs known_inputs(const Graph& graph);

}  // namespace tessera
