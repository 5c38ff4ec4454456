// SPDX-License-Identifier: Apache-2.0
// scaled_cast, matmul_fp8: floats of 8 bits, whose numbers are codes times a power of two for the
// whole tensor. The power is an attribute of the op that makes or takes the codes, and not part of
// the tensor.
#include "support/fp8.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ir/ops/ops.h"

namespace tessera::ops {
namespace {

Status check_scale(const Node& node, int64_t least, int64_t most) {
  const int64_t scale = node.int_attr("scale");
  if (scale >= least && scale <= most) return {};
  return fail(node, "scale is " + std::to_string(scale) + ", must be from " +
                        std::to_string(least) + " to " + std::to_string(most));
}

bool is_any_float(DType dtype) { return is_float(dtype) || is_fp8(dtype); }

}  // namespace

Expected<TensorType> ScaledCast::infer(const Node& node) {
  const std::optional<DType> to = parse_dtype(node.string_attr("to"));
  const TensorType& from = node.in[0]->type;
  if (!to || !is_any_float(*to))
    return fail(node, "to is \"" + node.string_attr("to") + "\", must be f32, f16, f143 or f152");
  if (!is_any_float(from.dtype))
    return fail(node,
                "input is " + to_string(from) + ", its elements must be f32, f16, f143 or f152");
  // Either way: a code's power of two, or the inverse of one.
  TRY(check_scale(node, kLeastFp8Scale, -kLeastFp8Scale));
  return TensorType{*to, from.shape};
}

// Exact but for what the caller rounds: a product with a power of two.
Expected<Array> ScaledCast::eval(const Node& node, std::span<const Array> in) {
  const double power = std::ldexp(1.0, static_cast<int>(node.int_attr("scale")));
  Array out = zeros(node);
  for (size_t i = 0; i < out.data.size(); ++i) out.data[i] = in[0].data[i] * power;
  return out;
}

Expected<TensorType> MatMulFp8::infer(const Node& node) {
  const TensorType& a = node.in[0]->type;
  const TensorType& b = node.in[1]->type;
  if (!is_fp8(a.dtype) || !is_fp8(b.dtype))
    return fail(node, "inputs are " + to_string(a) + " and " + to_string(b) +
                          ", their elements must be f143 or f152");
  TRY(check_scale(node, 2 * kLeastFp8Scale, 2 * kMostFp8Scale));
  return TensorType{DType::F16, TRY(product_shape(node))};
}

// As the machine sums: in f32, in the order of the terms. A product is exact in f32, and a power of
// two changes no sum but in its exponent.
Expected<Array> MatMulFp8::eval(const Node& node, std::span<const Array> in) {
  const Shape& a = in[0].type.shape;
  const Shape& b = in[1].type.shape;
  const int64_t rows = a.end()[-2], inner = a.back(), columns = b.back();
  const float power = std::ldexp(1.0f, static_cast<int>(node.int_attr("scale")));
  Array out = zeros(node);
  const int64_t all_rows = columns == 0 ? 0 : std::ssize(out.data) / columns;
  std::vector<float> sum(static_cast<size_t>(columns));
  for (int64_t row = 0; row < all_rows; ++row) {
    std::ranges::fill(sum, 0.0f);
    const double* left = in[0].data.data() + row * inner;
    const double* right = in[1].data.data() + (b.size() == 2 ? 0 : row / rows * inner * columns);
    for (int64_t k = 0; k < inner; ++k) {
      const float term = static_cast<float>(left[k]) * power;
      for (int64_t c = 0; c < columns; ++c)
        sum[static_cast<size_t>(c)] += term * static_cast<float>(right[k * columns + c]);
    }
    std::ranges::copy(sum, out.data.begin() + row * columns);
  }
  return out;
}

}  // namespace tessera::ops
