// SPDX-License-Identifier: Apache-2.0
// gather: rows of a table by number, as an embedding is looked up. The indices' shape takes the
// place of the axis. A number that is not in the table is an error, never a wrapped or clamped
// row: it is a token that the model has no word for.
#include <algorithm>

#include "ir/ops/ops.h"

namespace tessera::ops {

Expected<TensorType> Gather::infer(const Node& node) {
  const TensorType& data = node.in[0]->type;
  const TensorType& indices = node.in[1]->type;
  const int64_t axis = node.int_attr("axis");
  TRY(check_axis(node, axis, data.shape.size()));
  if (indices.dtype != DType::I32)
    return fail(node, "indices are " + to_string(indices) + ", their elements must be i32");
  TensorType result{
      data.dtype, {data.shape.begin(), data.shape.begin() + axis}
  };
  result.shape.insert(result.shape.end(), indices.shape.begin(), indices.shape.end());
  result.shape.insert(result.shape.end(), data.shape.begin() + axis + 1, data.shape.end());
  return result;
}

Expected<Array> Gather::eval(const Node& node, std::span<const Array> in) {
  const AxisView data = view_axis(in[0].type.shape, node.int_attr("axis"));
  Array out = zeros(node);
  auto to = out.data.begin();
  for (int64_t o = 0; o < data.outer; ++o) {
    for (double index : in[1].data) {
      if (index < -data.size || index >= data.size)
        return fail(node, "index is " + std::to_string(static_cast<int64_t>(index)) +
                              ", must be within " + std::to_string(-data.size) + " .. " +
                              std::to_string(data.size - 1));
      const int64_t row = static_cast<int64_t>(index) + (index < 0 ? data.size : 0);
      const auto from = in[0].data.begin() + (o * data.size + row) * data.inner;
      to = std::copy_n(from, data.inner, to);
    }
  }
  return out;
}

}  // namespace tessera::ops
