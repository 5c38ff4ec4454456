// SPDX-License-Identifier: Apache-2.0
// Lookups of numbers that a token has for each distance: what it says of a token so far away from
// it (the relative positions of DeBERTa). A gather by constant indices takes them out of one axis
// of tokens with all their numbers, the token outside.
#pragma once

#include <optional>

#include "ir/graph.h"

namespace tessera {

// The axis of a constant index along which it counts `tokens`, where each looks up one of the
// `numbers` that are its own: index / numbers is the place along that axis.
std::optional<int> axis_of_own_numbers(const Node& index, int64_t tokens, int64_t numbers);

// Such a gather, whose table is a reshape that joins two axes to one.
struct OwnNumbers {
  int64_t tokens = 0, numbers = 0;
  int axis = -1;             // of the index, as above
  int axis_of_numbers = -1;  // of what is reshaped

  bool operator==(const OwnNumbers&) const = default;
};
std::optional<OwnNumbers> own_numbers(const Node& gather);

// Whether a reshape deals the elements of its last two axes anew, [tokens,numbers] to another two.
bool deals_anew(const Node& reshape);
// Whether two such reshapes, of a model at two sizes, make as many rows of each: rows are joined
// with heads so, [rows,heads*depth] to [rows*heads,depth].
bool deal_alike(const Node& reshape, const Node& other);
// Moves that come to such a lookup become one (spell_own_numbers.cpp).
void spell_own_numbers(Graph& graph);

// Where such numbers are products with columns of a constant, and equal for all pairs of tokens
// that are as far apart, the columns are put in the order of distances: 0, 1, -1, 2, -2 …
// The same then begins the columns of a longer row, however an exporter counts them.
void order_by_distance(Graph& graph);

}  // namespace tessera
