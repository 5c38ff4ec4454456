// SPDX-License-Identifier: Apache-2.0
// matmul: products of the matrices in the last two dimensions. Leading dimensions are the same on
// both sides, or the right side is one matrix for all: a weight.
#include "ir/ops/ops.h"

namespace tessera::ops {

Expected<Shape> product_shape(const Node& node) {
  const TensorType& a = node.in[0]->type;
  const TensorType& b = node.in[1]->type;
  if (a.shape.size() < 2 || b.shape.size() < 2)
    return fail(node, "inputs are " + to_string(a) + " and " + to_string(b) +
                          ", each must have at least 2 dimensions");
  const Shape a_batch(a.shape.begin(), a.shape.end() - 2);
  const Shape b_batch(b.shape.begin(), b.shape.end() - 2);
  if (!b_batch.empty() && a_batch != b_batch)
    return fail(node, "leading dimensions are " + to_string(a_batch) + " and " +
                          to_string(b_batch) + ", which must be equal, or the second none");
  const int64_t a_inner = a.shape.back(), b_inner = b.shape.end()[-2];
  if (a_inner != b_inner)
    return fail(node, "inner sizes are " + std::to_string(a_inner) + " and " +
                          std::to_string(b_inner) + ", which must be equal");
  Shape result = a.shape;
  result.back() = b.shape.back();
  return result;
}

Expected<TensorType> MatMul::infer(const Node& node) {
  const TensorType& a = node.in[0]->type;
  const TensorType& b = node.in[1]->type;
  if (a.dtype != b.dtype || !is_float(a.dtype))
    return fail(node, "inputs are " + to_string(a) + " and " + to_string(b) +
                          ", their elements must be both f32 or both f16");
  return TensorType{a.dtype, TRY(product_shape(node))};
}

Expected<Array> MatMul::eval(const Node& node, std::span<const Array> in) {
  const Shape& a = in[0].type.shape;
  const Shape& b = in[1].type.shape;
  const int64_t rows = a.end()[-2], inner = a.back(), columns = b.back();
  const bool one_matrix = b.size() == 2;
  int64_t batches = 1;
  for (size_t d = 0; d + 2 < a.size(); ++d) batches *= a[d];

  Array out = zeros(node);
  for (int64_t row = 0; row < batches * rows; ++row) {
    const double* left = in[0].data.data() + row * inner;
    const double* right = in[1].data.data() + (one_matrix ? 0 : row / rows * inner * columns);
    double* sum = out.data.data() + row * columns;
    for (int64_t k = 0; k < inner; ++k)
      for (int64_t c = 0; c < columns; ++c) sum[c] += left[k] * right[k * columns + c];
  }
  return out;
}

}  // namespace tessera::ops
