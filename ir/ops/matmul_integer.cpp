// SPDX-License-Identifier: Apache-2.0
// matmul_integer: products of matrices of i8 or u8, less their zero points, summed in i32 exactly.
// A zero point of the left side is one for each of its rows, of the right side one for each of its
// columns: a scale may be, and zero points go with scales.
#include <utility>

#include "ir/ops/ops.h"

namespace tessera::ops {
namespace {

Status check_zero(const Node& node, size_t i, const TensorType& of, size_t from_back) {
  TensorType wanted = of;
  wanted.shape[wanted.shape.size() - from_back] = 1;
  if (node.in[i]->type == wanted) return {};
  return fail(node, std::string(i == 2 ? "first" : "second") + " zero point is " +
                        to_string(node.in[i]->type) + ", must be " + to_string(wanted));
}

}  // namespace

Expected<TensorType> MatMulInteger::infer(const Node& node) {
  const TensorType& a = node.in[0]->type;
  const TensorType& b = node.in[1]->type;
  if (!is_byte(a.dtype) || !is_byte(b.dtype))
    return fail(node, "inputs are " + to_string(a) + " and " + to_string(b) +
                          ", their elements must be i8 or u8");
  Shape shape = TRY(product_shape(node));
  if (a.shape.back() > kMostIntegerTerms)
    return fail(node, "inner size is " + std::to_string(a.shape.back()) + ", must be at most " +
                          std::to_string(kMostIntegerTerms) + " for a sum within 32 bits");
  TRY(check_zero(node, 2, a, 1));
  TRY(check_zero(node, 3, b, 2));
  return TensorType{DType::I32, std::move(shape)};
}

Expected<Array> MatMulInteger::eval(const Node& node, std::span<const Array> in) {
  const Shape& a = in[0].type.shape;
  const Shape& b = in[1].type.shape;
  const int64_t rows = a.end()[-2], inner = a.back(), columns = b.back();
  Array out = zeros(node);
  const int64_t all_rows = columns == 0 ? 0 : std::ssize(out.data) / columns;
  for (int64_t row = 0; row < all_rows; ++row) {
    const int64_t matrix = b.size() == 2 ? 0 : row / rows;
    const double* left = in[0].data.data() + row * inner;
    const double* right = in[1].data.data() + matrix * inner * columns;
    const double* right_zero = in[3].data.data() + matrix * columns;
    double* sum = out.data.data() + row * columns;
    for (int64_t k = 0; k < inner; ++k) {
      const double term = left[k] - in[2].data[static_cast<size_t>(row)];
      for (int64_t c = 0; c < columns; ++c)
        sum[c] += term * (right[k * columns + c] - right_zero[c]);
    }
  }
  return out;
}

}  // namespace tessera::ops
