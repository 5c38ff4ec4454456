// SPDX-License-Identifier: Apache-2.0
// Ops that only say where elements stand: each element of the result is one of the operand's.
#include <algorithm>

#include "ir/ops/ops.h"

namespace tessera::ops {
namespace {

// Checked before any product of its dimensions is taken.
Expected<Shape> shape_attr(const Node& node) {
  const Shape& shape = node.ints("shape");
  if (is_valid_shape(shape)) return shape;
  return fail(node, "shape is " + to_string(shape) + ", must have at most " +
                        std::to_string(kMaxRank) + " dimensions, none negative, and at most " +
                        std::to_string(kMaxElements) + " elements");
}

Array strided(const Node& node, const Array& in, const Shape& strides, int64_t base) {
  Array out{node.type, {}};
  out.data.reserve(static_cast<size_t>(elements(node.type.shape)));
  walk(node.type.shape, strides, base, [&](int64_t at) { out.data.push_back(in.data[at]); });
  return out;
}

}  // namespace

Expected<TensorType> Broadcast::infer(const Node& node) {
  const TensorType& from = node.in[0]->type;
  const Shape to = TRY(shape_attr(node));
  bool fits = from.shape.size() <= to.size();
  for (size_t back = 1; fits && back <= from.shape.size(); ++back) {
    const int64_t dim = from.shape[from.shape.size() - back];
    fits = dim == 1 || dim == to[to.size() - back];
  }
  if (!fits)
    return fail(node, "input is " + to_string(from) + ", each of its dimensions must be 1 or, " +
                          "counted from the last, equal that of " + to_string(to));
  return TensorType{from.dtype, to};
}

Expected<Array> Broadcast::eval(const Node& node, std::span<const Array> in) {
  const Shape& from = in[0].type.shape;
  const Shape from_strides = row_major_strides(from);
  Shape strides(node.type.shape.size(), 0);
  const size_t added = strides.size() - from.size();
  for (size_t d = 0; d < from.size(); ++d)
    if (from[d] != 1) strides[added + d] = from_strides[d];
  return strided(node, in[0], strides, 0);
}

Expected<TensorType> Reshape::infer(const Node& node) {
  const TensorType& from = node.in[0]->type;
  const Shape to = TRY(shape_attr(node));
  if (elements(from.shape) != elements(to))
    return fail(node, "input is " + to_string(from) + " of " +
                          std::to_string(elements(from.shape)) + " elements, must have the " +
                          std::to_string(elements(to)) + " of " + to_string(to));
  return TensorType{from.dtype, to};
}

Expected<Array> Reshape::eval(const Node& node, std::span<const Array> in) {
  return Array{node.type, in[0].data};
}

Expected<TensorType> Transpose::infer(const Node& node) {
  const TensorType& from = node.in[0]->type;
  const std::vector<int64_t>& perm = node.ints("perm");
  std::vector<int64_t> sorted = perm;
  std::ranges::sort(sorted);
  bool permutes = sorted.size() == from.shape.size();
  for (size_t d = 0; permutes && d < sorted.size(); ++d)
    permutes = sorted[d] == static_cast<int64_t>(d);
  if (!permutes)
    return fail(node, "perm is " + to_string(perm) + ", must hold each dimension of " +
                          to_string(from) + " once");
  TensorType result{from.dtype, {}};
  for (int64_t d : perm) result.shape.push_back(from.shape[d]);
  return result;
}

Expected<Array> Transpose::eval(const Node& node, std::span<const Array> in) {
  const Shape from_strides = row_major_strides(in[0].type.shape);
  Shape strides;
  for (int64_t d : node.ints("perm")) strides.push_back(from_strides[d]);
  return strided(node, in[0], strides, 0);
}

// Start, step and size, rather than start and end: the result's shape is there to read, and a
// negative step needs no end before the first element.
Expected<TensorType> Slice::infer(const Node& node) {
  const TensorType& from = node.in[0]->type;
  const auto &start = node.ints("start"), &step = node.ints("step"), &size = node.ints("size");
  const size_t rank = from.shape.size();
  if (start.size() != rank || step.size() != rank || size.size() != rank)
    return fail(node, "start, step and size are " + to_string(start) + ", " + to_string(step) +
                          " and " + to_string(size) + ", must have one number for each of the " +
                          std::to_string(rank) + " dimensions");
  for (size_t d = 0; d < rank; ++d) {
    const int64_t dim = from.shape[d];
    const bool empty = size[d] == 0;
    const bool starts = empty || (start[d] >= 0 && start[d] < dim);
    // In 128 bits: both factors come from outside.
    const __int128 last = __int128{start[d]} + (__int128{size[d]} - 1) * step[d];
    if (size[d] < 0 || size[d] > kMaxElements || step[d] == 0 || !starts ||
        (!empty && (last < 0 || last >= dim)))
      return fail(node, "dimension " + std::to_string(d) + " takes " + std::to_string(size[d]) +
                            " elements from " + std::to_string(start[d]) + " in steps of " +
                            std::to_string(step[d]) + ", must stay within its " +
                            std::to_string(dim));
  }
  return TensorType{from.dtype, size};
}

Expected<Array> Slice::eval(const Node& node, std::span<const Array> in) {
  Shape strides = row_major_strides(in[0].type.shape);
  int64_t base = 0;
  for (size_t d = 0; d < strides.size(); ++d) {
    base += node.ints("start")[d] * strides[d];
    strides[d] *= node.ints("step")[d];
  }
  return strided(node, in[0], strides, base);
}

Expected<TensorType> Concat::infer(const Node& node) {
  TensorType result = node.in[0]->type;
  const int64_t axis = node.int_attr("axis");
  TRY(check_axis(node, axis, result.shape.size()));
  result.shape[axis] = 0;
  for (const Node* operand : node.in) {
    TensorType beside = operand->type;
    const bool same_rank = beside.shape.size() == result.shape.size();
    const int64_t dim = same_rank ? beside.shape[axis] : 0;
    if (same_rank) beside.shape[axis] = result.shape[axis];
    if (beside != result)
      return fail(node, "inputs are " + to_string(node.in[0]->type) + " and " +
                            to_string(operand->type) + ", which must be equal except along axis " +
                            std::to_string(axis));
    result.shape[axis] += dim;
  }
  return result;
}

Expected<Array> Concat::eval(const Node& node, std::span<const Array> in) {
  Array out{node.type, {}};
  out.data.reserve(static_cast<size_t>(elements(node.type.shape)));
  const int64_t axis = node.int_attr("axis");
  const int64_t outer = view_axis(node.type.shape, axis).outer;
  for (int64_t o = 0; o < outer; ++o) {
    for (const Array& part : in) {
      const AxisView view = view_axis(part.type.shape, axis);
      const int64_t block = view.size * view.inner;
      const auto from = part.data.begin() + o * block;
      out.data.insert(out.data.end(), from, from + block);
    }
  }
  return out;
}

}  // namespace tessera::ops
