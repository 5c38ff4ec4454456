// SPDX-License-Identifier: Apache-2.0
// softmax: exponentials along an axis, divided by their sum. The largest is subtracted first, so
// that no exponential overflows.
#include <algorithm>
#include <cmath>

#include "ir/ops/ops.h"

namespace tessera::ops {

Expected<TensorType> Softmax::infer(const Node& node) {
  const TensorType& from = node.in[0]->type;
  TRY(check_axis(node, node.int_attr("axis"), from.shape.size()));
  if (!is_float(from.dtype))
    return fail(node, "input is " + to_string(from) + ", its elements must be f32 or f16");
  return from;
}

Expected<Array> Softmax::eval(const Node& node, std::span<const Array> in) {
  Array out{node.type, in[0].data};
  const AxisView view = view_axis(node.type.shape, node.int_attr("axis"));
  if (out.data.empty()) return out;
  for (int64_t line = 0; line < view.outer * view.inner; ++line) {
    const int64_t first = line / view.inner * view.size * view.inner + line % view.inner;
    const auto at = [&](int64_t i) -> double& { return out.data[first + i * view.inner]; };
    double top = at(0);
    for (int64_t i = 1; i < view.size; ++i) top = std::max(top, at(i));
    double sum = 0;
    for (int64_t i = 0; i < view.size; ++i) sum += at(i) = std::exp(at(i) - top);
    for (int64_t i = 0; i < view.size; ++i) at(i) /= sum;
  }
  return out;
}

}  // namespace tessera::ops
