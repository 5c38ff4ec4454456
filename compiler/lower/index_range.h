// SPDX-License-Identifier: Apache-2.0
// The range of the values that indices are computed from: a gather whose indices are proved to lie
// in its table needs no check when it runs.
#pragma once

#include <optional>
#include <unordered_map>

#include "ir/graph.h"
#include "support/interval.h"

namespace tessera {

using Intervals = std::unordered_map<const Node*, Interval>;

// The interval of a node's values: of its numbers if it is a constant, else from the intervals of
// its operands; nothing where those are not known. It does not wrap or saturate, so it may be wider
// than the node's type.
std::optional<Interval> computed_interval(const Node* node, const Intervals& known);

class IndexRanges {
 public:
  // One walk over the graph, operands first. Inputs that index a table hold what index_limits says,
  // because the runner refuses others.
  explicit IndexRanges(const Graph& graph);

  // Nothing where it is not known.
  std::optional<Interval> of(const Node* node) const;
  // Whether each of these indices is in a table of `rows` rows, counted from either end.
  bool are_rows(const Node* indices, int64_t rows) const;

 private:
  Intervals known_;
};

// Whether element i of these indices is computed from element i of inputs that are as large, so
// that it belongs to one cell of the batch. An index in a cell without a request then does no harm.
bool belong_to_cells(const Node* indices);

}  // namespace tessera
