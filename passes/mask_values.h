// SPDX-License-Identifier: Apache-2.0
// The few numbers that a value may hold, as those made from masks do: from bools, from mask inputs
// of 0 and 1, from constants of few numbers, and from what is computed of these.
#pragma once

#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ir/graph.h"

namespace tessera {

// Inputs that number the rows of a table of more than two: ids and positions, so not masks.
std::unordered_set<const Node*> index_inputs(const Graph& graph);

// A number as the model has it, and as it is where every finite constant is kept within f16.
struct Number {
  double exact = 0, held = 0;
};

class MaskValues {
 public:
  // One walk over the graph, operands first.
  explicit MaskValues(const Graph& graph);

  // All that this value may hold, or nothing where they are too many or not known.
  const std::vector<Number>& of(const Node* node) const;
  // The operands that these numbers come from; none for what is known by its type alone.
  std::vector<Node*> made_from(const Node* node) const;

 private:
  void note(const Node* node, std::vector<Number> numbers);
  void note_computed(const Node* node);

  std::unordered_map<const Node*, std::vector<Number>> numbers_;
  std::unordered_set<const Node*> computed_;
};

}  // namespace tessera
