// SPDX-License-Identifier: Apache-2.0
// The two functions of every row of ir/ops.def, and what they share. The number of operands and
// the attributes' names and kinds have been checked before either is called.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "ir/graph.h"

namespace tessera::ops {

#define OP(id, ...)                                                           \
  struct id {                                                                 \
    static Expected<TensorType> infer(const Node& node);                      \
    static Expected<Array> eval(const Node& node, std::span<const Array> in); \
  };
#include "ir/ops.def"
#undef OP

// An error that starts as all of them do: the node's name and its op.
Error fail(const Node& node, const std::string& what);

// An axis counts from the front, 0 .. rank-1: importers settle negative ones.
Status check_axis(const Node& node, int64_t axis, size_t rank);

// The longest sum of products of two differences of bytes that 32 bits hold.
inline constexpr int64_t kMostIntegerTerms = INT32_MAX / (255 * 255);

// The shape of a product of the first operand's matrices with those of the second, which has as
// many or one for all.
Expected<Shape> product_shape(const Node& node);

// A result of node.type, all zeros.
Array zeros(const Node& node);

// A shape seen from one of its axes: `outer` blocks of `size` by `inner` elements.
struct AxisView {
  int64_t outer = 1, size = 1, inner = 1;
};
AxisView view_axis(const Shape& shape, int64_t axis);

// Calls visit(base + the sum of index times stride) for every index of `shape`, in row-major order.
template <class Visit>
void walk(const Shape& shape, const Shape& strides, int64_t base, Visit visit) {
  Shape index(shape.size(), 0);
  int64_t offset = base;
  for (int64_t left = elements(shape); left > 0; --left) {
    visit(offset);
    for (size_t d = shape.size(); d-- > 0;) {
      offset += strides[d];
      if (++index[d] < shape[d]) break;
      offset -= strides[d] * shape[d];
      index[d] = 0;
    }
  }
}

}  // namespace tessera::ops
