// SPDX-License-Identifier: Apache-2.0
// Reads a mask expression backwards: from what is added to scores to the 0s and 1s it was made of.
//
// A mask that depends on the key alone is a function f of one value [batch,keys] of 0s and 1s (any
// bool, or an i32 input that numbers the rows of no table), stretched over heads and queries.
// Exporters spell f in many ways: (1 - m) · -3.4e38, a select by m == 0, with casts and reshapes
// between. f is not parsed but evaluated, at 0 and at 1, by the reference interpreter.
#pragma once

#include <array>
#include <optional>
#include <unordered_set>
#include <vector>

#include "ir/graph.h"

namespace tessera {

struct KeyFunction {
  Node* source = nullptr;      // i32 or bool, [batch,keys]
  std::array<double, 2> at{};  // f(0) and f(1)
  std::vector<int> axes;       // per axis of the value: 0 batch, 1 keys, -1 neither or of size 1
};

// Inputs that are not masks: those that number the rows of a table (passes/mask_values.h).
using NotMasks = std::unordered_set<const Node*>;

// The function of one [batch,keys] source that this value is, if it is one. Each node that it is
// made of is looked at once, and at most kMostMaskNodes of them.
std::optional<KeyFunction> key_function(Node* node, const NotMasks& not_masks = {});
inline constexpr int kMostMaskNodes = 256;

// The source of `node`, a value of [batch,heads,queries,keys] (any of them may be 1) that depends
// on the key alone, and its values at 0 and 1.
std::optional<KeyFunction> key_function_of_scores(Node* node, const NotMasks& not_masks);

// Added to a score, this hides the key: its exponential is 0 next to any other.
inline bool hides(double added) { return added <= -1e4; }
// Added to a score, this leaves nothing of it: f32 rounds the sum to multiples of 64.
inline bool absorbs(double added) { return added <= -1e9; }

}  // namespace tessera
