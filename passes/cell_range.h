// SPDX-License-Identifier: Apache-2.0
// The content of a value in the cells that padding adds: behind a request's tokens, where every
// input is 0. A mask makes it 0, or so low that a softmax leaves it out; most values hold anything.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "ir/graph.h"

namespace tessera {

struct CellRange {
  enum class Kind : uint8_t { Anything, Number /* perhaps infinite, not NaN */, Finite };
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  Kind kind = Kind::Anything;

  bool is_zero() const { return low == 0 && high == 0; }
};

// The least and greatest element of a constant.
CellRange range_of_constant(const Tensor& tensor);
// The result of a node, element by element, for operands in these ranges. Takes time that does not
// depend on shapes.
CellRange range_of_elements(const Node& node, std::span<const CellRange> in);

}  // namespace tessera
