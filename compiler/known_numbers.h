// SPDX-License-Identifier: Apache-2.0
// The numbers that a model knows, compared at two of its row lengths (compiler/lengths.h).
#pragma once

#include <unordered_set>

#include "ir/graph.h"
#include "passes/match.h"

namespace tessera {

// A constant, or one that is stretched: how small an import takes for a constant of its own depends
// on the size.
bool is_known(const Node* node);

// The numbers of such a value, by place.
struct Known {
  explicit Known(const Node* node);

  const Shape& shape;
  const Tensor& constant;
  Shape strides;
};

// Whether a value that follows the length holds the same numbers as far as both go.
bool begin_alike(const Known& a, const Known& b);
// Whether two indices look up the same of each token's own numbers, of which there may be more.
bool look_up_alike(const Node& gather, const Node& other);
// Whether the difference of the two is the same for all keys, the last axis, but for rounding: as
// far as both go. MPT's ALiBi is slope * (key + 1 - length).
bool differ_by_query(const Known& a, const Known& b);
// The values from which the graph makes nothing but weights of a softmax along the last axis. Such
// a softmax does not notice a number that is added to all keys of a query. Linear in the graph.
std::unordered_set<const Node*> scores_of_softmax(const Graph& graph, const UserMap& users);

}  // namespace tessera
