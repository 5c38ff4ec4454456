// SPDX-License-Identifier: Apache-2.0
// reduce_sum, reduce_max and cumsum. A reduced axis leaves the shape: to keep it as 1 is a reshape.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ir/ops/ops.h"

namespace tessera::ops {
namespace {

Status check_numbers(const Node& node) {
  const TensorType& from = node.in[0]->type;
  if (is_float(from.dtype) || from.dtype == DType::I32) return {};
  return fail(node, "input is " + to_string(from) + ", its elements must be f32, f16 or i32");
}

Expected<TensorType> reduced_type(const Node& node) {
  TRY(check_numbers(node));
  const TensorType& from = node.in[0]->type;
  const std::vector<int64_t>& axes = node.ints("axes");
  for (int64_t axis : axes) TRY(check_axis(node, axis, from.shape.size()));
  if (std::ranges::adjacent_find(axes, std::ranges::greater_equal()) != axes.end())
    return fail(node, "axes are " + to_string(axes) + ", must rise");
  TensorType result{from.dtype, {}};
  for (int64_t d = 0; d < static_cast<int64_t>(from.shape.size()); ++d)
    if (!std::ranges::binary_search(axes, d)) result.shape.push_back(from.shape[d]);
  return result;
}

// Every element of the operand, in order, goes into the element of the result that it belongs to.
template <class Combine>
Array reduce(const Node& node, const Array& in, double start, Combine combine) {
  Array out = zeros(node);
  std::ranges::fill(out.data, start);
  const std::vector<int64_t>& axes = node.ints("axes");
  const Shape kept = row_major_strides(node.type.shape);
  Shape strides(in.type.shape.size(), 0);
  for (size_t d = 0, next = 0; d < strides.size(); ++d)
    if (!std::ranges::binary_search(axes, static_cast<int64_t>(d))) strides[d] = kept[next++];
  auto from = in.data.begin();
  walk(in.type.shape, strides, 0,
       [&](int64_t at) { out.data[at] = combine(out.data[at], *from++); });
  return out;
}

}  // namespace

Expected<TensorType> ReduceSum::infer(const Node& node) { return reduced_type(node); }

Expected<Array> ReduceSum::eval(const Node& node, std::span<const Array> in) {
  // A sum of -0 alone is -0, and one of nothing 0.
  const double start = in[0].data.empty() || node.type.dtype == DType::I32 ? 0.0 : -0.0;
  return reduce(node, in[0], start, [](double sum, double x) { return sum + x; });
}

Expected<TensorType> ReduceMax::infer(const Node& node) { return reduced_type(node); }

// Without elements it is the least number of the dtype.
Expected<Array> ReduceMax::eval(const Node& node, std::span<const Array> in) {
  const double least = node.type.dtype == DType::I32 ? std::numeric_limits<int32_t>::min()
                                                     : -std::numeric_limits<double>::infinity();
  return reduce(node, in[0], least,
                [](double top, double x) { return x > top || std::isnan(x) ? x : top; });
}

Expected<TensorType> CumSum::infer(const Node& node) {
  TRY(check_numbers(node));
  TRY(check_axis(node, node.int_attr("axis"), node.in[0]->type.shape.size()));
  return node.in[0]->type;
}

Expected<Array> CumSum::eval(const Node& node, std::span<const Array> in) {
  Array out{node.type, in[0].data};
  const AxisView view = view_axis(node.type.shape, node.int_attr("axis"));
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t at = (o * view.size + 1) * view.inner; at < (o + 1) * view.size * view.inner; ++at)
      out.data[at] += out.data[at - view.inner];
  return out;
}

}  // namespace tessera::ops
