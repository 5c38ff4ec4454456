// SPDX-License-Identifier: Apache-2.0
// A choice that an import makes by few numbers that it knows. Where a model's sizes have a part in
// them, another size may choose otherwise: compiler/decided_sizes.h.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"

namespace tessera {

// Equal, less, a maximum or a minimum of two numbers, a quotient of integers, a float that becomes
// whole, or a table and what is looked up in it. One of each element, at most kMostDecided.
struct Decision {
  std::string node;  // of the model
  Op op;
  // `right` is empty where the operation takes one operand. The `left` of a lookup is its index.
  std::vector<double> left, right;
};
inline constexpr int64_t kMostDecided = 16;

inline bool decides(const Node& node) {
  const bool is_whole = node.type.dtype == DType::I32;
  if (node.is(Op::Cast)) return is_whole && is_float(node.in[0]->type.dtype);
  if (node.is(Op::Div)) return is_whole;
  return node.is(Op::Gather) || node.is(Op::Equal) || node.is(Op::Less) || node.is(Op::Max) ||
         node.is(Op::Min) || node.is(Op::Floor) || node.is(Op::Round);
}

}  // namespace tessera
