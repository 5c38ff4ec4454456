// SPDX-License-Identifier: Apache-2.0
// Reads a mask expression backwards: from what is added to scores to the 0s and 1s it was made of.
//
// A mask that depends on the key alone is a function f of one value [batch,keys] of 0s and 1s,
// stretched over heads and queries. passes/mask_cells.h says how each element of it is known.
#pragma once

#include <array>
#include <optional>

#include "passes/mask_cells.h"

namespace tessera {

struct KeyFunction {
  Node* source = nullptr;      // i32 or bool, [batch,keys]
  std::array<double, 2> at{};  // f(0) and f(1)
};

// Each mask of a graph is read once: layers share theirs.
class KeyFunctions {
 public:
  explicit KeyFunctions(const Graph& graph);
  // The source of `node`, a value of [batch,heads,queries,keys] (any of them may be 1) that depends
  // on the key alone, and its values at 0 and 1.
  std::optional<KeyFunction> of_scores(Node* node);

 private:
  NotMasks not_masks_;
  std::unordered_map<const Node*, std::optional<KeyFunction>> known_;
};

// Added to a score, this hides the key: its exponential is 0 next to any other.
inline bool hides(double added) { return added <= -1e4; }
// Added to a score, this leaves nothing of it: f32 rounds the sum to multiples of 64.
inline bool absorbs(double added) { return added <= -1e9; }

}  // namespace tessera
