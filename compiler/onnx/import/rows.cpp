// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/import/rows.h"

#include <algorithm>
#include <numeric>
#include <optional>

namespace tessera {
namespace {

// How far the number moves with each axis of the shape, if it moves evenly.
std::optional<Shape> even_steps(const Shape& shape, const std::vector<int64_t>& at) {
  const Shape places = row_major_strides(shape);
  Shape steps(shape.size(), 0);
  for (size_t d = 0; d < shape.size(); ++d)
    if (shape[d] > 1) steps[d] = at[static_cast<size_t>(places[d])] - at[0];
  for (size_t i = 0; i < at.size(); ++i) {
    int64_t number = at[0];
    for (size_t d = 0; d < shape.size(); ++d)
      number += static_cast<int64_t>(i) / places[d] % shape[d] * steps[d];
    if (number != at[i]) return std::nullopt;
  }
  return steps;
}

// The table's rows as digits: the axis with the longest step first, and last what stays.
struct Digits {
  std::vector<size_t> axes;  // of the shape, by falling step
  Shape dims, start, size;
};
std::optional<Digits> digits_of(const Shape& shape, const Shape& steps, int64_t first,
                                int64_t rows) {
  Digits digits;
  for (size_t d = 0; d < shape.size(); ++d)
    if (steps[d] != 0) digits.axes.push_back(d);
  std::ranges::sort(digits.axes, [&](size_t a, size_t b) { return steps[a] > steps[b]; });
  int64_t above = rows, rest = first;
  for (const size_t axis : digits.axes) {
    const int64_t step = steps[axis];
    if (step <= 0 || above % step != 0) return std::nullopt;
    digits.dims.push_back(above / step);
    digits.start.push_back(rest / step);
    digits.size.push_back(shape[axis]);
    if (digits.start.back() + shape[axis] > digits.dims.back()) return std::nullopt;
    rest %= step;
    above = step;
  }
  digits.dims.push_back(above);
  digits.start.push_back(rest);
  digits.size.push_back(1);
  if (digits.dims.size() > 8) return std::nullopt;
  return digits;
}

Shape followed_by(Shape shape, const Shape& rest) {
  shape.insert(shape.end(), rest.begin(), rest.end());
  return shape;
}

Expected<Node*> slice_by(Call& call, Node* table, const Digits& digits, const Shape& rest) {
  Node* x = TRY(call.reshape(table, followed_by(digits.dims, rest)));
  const Shape size = followed_by(digits.size, rest);
  if (size == x->type.shape) return x;
  const Call::Attrs attrs = {
      {"start", followed_by(digits.start, Shape(rest.size(), 0))},
      {"step", Shape(size.size(), 1)},
      {"size", size}
  };
  return call.add(Op::Slice, {x}, attrs);
}

}  // namespace

Expected<Node*> rows_at(Call& call, Node* table, const Shape& shape,
                        const std::vector<int64_t>& at) {
  const Shape rest(table->type.shape.begin() + 1, table->type.shape.end());
  const Shape out = followed_by(shape, rest);
  if (!is_valid_shape(out)) return call.error("its result is too large, must be smaller");
  std::optional<Digits> digits;
  if (!at.empty() && elements(rest) > 0 && rest.size() + shape.size() < 8) {
    const auto steps = even_steps(shape, at);
    if (steps) digits = digits_of(shape, *steps, at[0], table->type.shape[0]);
  }
  if (!digits || digits->dims.size() + rest.size() > 8) {
    Array numbers{
        {DType::I32, shape   },
        {at.begin(), at.end()}
    };
    return call.add(Op::Gather, {table, call.constant(numbers)}, with("axis", int64_t{0}));
  }
  Node* x = TRY(slice_by(call, table, *digits, rest));
  // The digits into the order of the shape's axes, of which those without a step are 1.
  const size_t count = digits->axes.size();
  std::vector<int64_t> perm(count);
  std::iota(perm.begin(), perm.end(), 0);
  std::ranges::sort(perm, [&](int64_t a, int64_t b) {
    return digits->axes[static_cast<size_t>(a)] < digits->axes[static_cast<size_t>(b)];
  });
  for (size_t i = count; i < x->type.shape.size(); ++i) perm.push_back(static_cast<int64_t>(i));
  Shape ones(shape.size(), 1);
  for (const size_t axis : digits->axes) ones[axis] = shape[axis];
  x = TRY(call.reshape(TRY(call.transpose(x, perm)), followed_by(ones, rest)));
  return call.broadcast(x, out);
}

}  // namespace tessera
