// SPDX-License-Identifier: Apache-2.0
#include "ir/ops/ops.h"

namespace tessera::ops {

Error fail(const Node& node, const std::string& what) {
  return Error{node.name + ": " + std::string(info(node.op).text) + ": " + what};
}

Status check_axis(const Node& node, int64_t axis, size_t rank) {
  if (axis >= 0 && axis < static_cast<int64_t>(rank)) return {};
  return fail(node, "axis is " + std::to_string(axis) + ", must be 0 or more and below the rank " +
                        std::to_string(rank));
}

Array zeros(const Node& node) {
  return Array{node.type, std::vector<double>(static_cast<size_t>(elements(node.type.shape)))};
}

AxisView view_axis(const Shape& shape, int64_t axis) {
  AxisView view;
  for (int64_t d = 0; d < static_cast<int64_t>(shape.size()); ++d) {
    if (d < axis) view.outer *= shape[d];
    if (d == axis) view.size = shape[d];
    if (d > axis) view.inner *= shape[d];
  }
  return view;
}

}  // namespace tessera::ops
