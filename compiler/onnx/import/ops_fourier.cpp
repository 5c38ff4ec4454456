// SPDX-License-Identifier: Apache-2.0
// DFT: a product with the cosines of its frequencies and one with their sines.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <vector>

#include "compiler/onnx/import/op_table.h"

namespace tessera::handlers {
namespace {

struct Transform {
  size_t axis = 0;     // of the signal, in the operand's shape
  int64_t length = 0;  // of the transform: a shorter signal has zeros behind it
  int64_t terms = 0;   // of the signal that count
  int64_t results = 0;
  bool inverse = false;
  bool to_real = false;  // from the frequencies of a real signal, the first half of all
};

Expected<int64_t> axis_of(const Call& call) {
  if (call.opset < 20) return call.attr("axis", int64_t{1});
  if (!call.in(2)) return int64_t{-2};
  const std::vector<int64_t> axis = TRY(call.constant_ints(2, "axis"));
  if (axis.size() != 1) return call.error("axis must be one number");
  return axis[0];
}

Expected<Transform> transform_of(const Call& call) {
  const Shape& shape = call.shape(0);
  Transform is;
  const int64_t axis = TRY(call.axis(TRY(axis_of(call)), call.rank(0)));
  if (axis == call.rank(0) - 1)
    return call.error("axis is the last, must be one before that of real and imaginary parts");
  is.axis = static_cast<size_t>(axis);
  is.inverse = call.attr("inverse", int64_t{0}) != 0;
  const bool onesided = call.attr("onesided", int64_t{0}) != 0;
  is.to_real = onesided && is.inverse;
  is.length = is.to_real ? 2 * (shape[is.axis] - 1) : shape[is.axis];
  if (call.in(1)) {
    const std::vector<int64_t> length = TRY(call.constant_ints(1, "dft_length"));
    if (length.size() != 1 || length[0] < 1)
      return call.error("dft_length must be one number, at least 1");
    is.length = length[0];
  }
  if (onesided && !is.inverse && shape.back() != 1)
    return call.error("is onesided of complex numbers, must be of real ones");
  const int64_t half = is.length / 2 + 1;
  is.terms = std::min(is.to_real ? half : is.length, shape[is.axis]);
  is.results = onesided && !is.inverse ? half : is.length;
  return is;
}

// The other half of a real signal's frequencies are the same numbers again.
double weight_of(const Transform& is, int64_t term) {
  const bool is_twice = is.to_real && term != 0 && 2 * term != is.length;
  return (is_twice ? 2.0 : 1.0) / (is.inverse ? static_cast<double>(is.length) : 1.0);
}

// [terms, results] of a function of the angles, which are of less than one turn.
Node* waves(Call& call, const Transform& is, DType dtype, double (*function)(double)) {
  Array table{
      {dtype, {is.terms, is.results}},
      {}
  };
  for (int64_t t = 0; t < is.terms; ++t)
    for (int64_t k = 0; k < is.results; ++k) {
      const auto turn = static_cast<double>(t * k % is.length) / static_cast<double>(is.length);
      table.data.push_back(function(2 * std::numbers::pi * turn) * weight_of(is, t));
    }
  return call.constant(table);
}

// Real or imaginary parts with the signal's axis last, as far as they count; null where there are
// none.
Expected<Node*> signal_of(Call& call, const Transform& is, int64_t part) {
  Node* x = call.in(0);
  Shape size = x->type.shape;
  if (part >= size.back()) return static_cast<Node*>(nullptr);
  Shape start(size.size(), 0);
  start.back() = part;
  size.back() = 1;
  size[is.axis] = is.terms;
  const Call::Attrs cut = {
      {"start", start},
      {"step", Shape(size.size(), 1)},
      {"size", size}
  };
  Node* own = TRY(call.add(Op::Slice, {x}, cut));
  size.pop_back();
  own = TRY(call.reshape(own, size));
  std::vector<int64_t> perm(size.size());
  std::iota(perm.begin(), perm.end(), 0);
  std::swap(perm[is.axis], perm.back());
  return call.transpose(own, perm);
}

// a·x + b·y, where x or y is left out if it is null.
Expected<Node*> combined(Call& call, Node* x, Node* a, Node* y, Node* b, bool minus) {
  Node* left = x ? TRY(call.add(Op::MatMul, {x, a})) : nullptr;
  Node* right = y ? TRY(call.add(Op::MatMul, {y, b})) : nullptr;
  if (left && right) return call.add(minus ? Op::Sub : Op::Add, {left, right});
  if (left || !minus) return left ? left : right;
  return call.add(Op::Mul, {right, TRY(call.like(right, -1))});
}

}  // namespace

// Σ x e^(-2πi t k / length): the real part is re·cos + im·sin, the imaginary im·cos - re·sin; of an
// inverse sin has the other sign.
Status dft(Call& call) {
  const DType dtype = call.dtype(0);
  const Shape& shape = call.shape(0);
  if (!is_float(dtype) || shape.size() < 2 || shape.back() < 1 || shape.back() > 2)
    return call.error("input is " + to_string(call.in(0)->type) +
                      ", must be of floats and end with an axis of 1 or 2");
  const Transform is = TRY(transform_of(call));
  if (is.terms < 1 || is.results < 1)
    return call.error("is of an axis of " + std::to_string(shape[is.axis]) +
                      ", must have elements");
  if (is.terms > kImportAllowance || !call.spend(2 * is.terms, is.results))
    return call.error("makes " + std::to_string(is.results) + " frequencies of " +
                      std::to_string(is.terms) + " terms, must be of fewer");
  Node* cosines = waves(call, is, dtype, [](double x) { return std::cos(x); });
  Node* sines = waves(call, is, dtype, [](double x) { return std::sin(x); });
  Node* re = TRY(signal_of(call, is, 0));
  Node* im = TRY(signal_of(call, is, 1));
  std::vector<Node*> parts = {TRY(combined(call, re, cosines, im, sines, is.inverse))};
  if (!is.to_real) parts.push_back(TRY(combined(call, im, cosines, re, sines, !is.inverse)));
  std::vector<int64_t> perm(shape.size() - 1);
  std::iota(perm.begin(), perm.end(), 0);
  std::swap(perm[is.axis], perm.back());
  for (Node*& part : parts) {
    part = TRY(call.transpose(part, perm));
    Shape wide = part->type.shape;
    wide.push_back(1);
    part = TRY(call.reshape(part, wide));
  }
  return call.result(Op::Concat, parts, with("axis", static_cast<int64_t>(shape.size()) - 1));
}

}  // namespace tessera::handlers
