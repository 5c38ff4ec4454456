// SPDX-License-Identifier: Apache-2.0
// layer_norm: every row of the last dimension, moved to mean 0 and variance 1, then scaled by gamma
// and moved by beta. One op, because it needs its row in one place and in more bits than f16 has.
// rms_norm: the same of a row whose mean is taken to be 0, and without a beta.
#include <cmath>

#include "ir/ops/ops.h"

namespace tessera::ops {
namespace {

// Gamma, and beta where there is one, are as long as a row.
Expected<TensorType> infer_norm(const Node& node) {
  const TensorType& x = node.in[0]->type;
  if (!is_float(x.dtype) || x.shape.empty() || x.shape.back() == 0)
    return fail(node, "input is " + to_string(x) +
                          ", must be of f32 or f16 and have a last dimension that is not empty");
  const TensorType wanted{x.dtype, {x.shape.back()}};
  for (size_t i = 1; i < node.in.size(); ++i)
    if (node.in[i]->type != wanted)
      return fail(node, std::string(i == 1 ? "gamma" : "beta") + " is " +
                            to_string(node.in[i]->type) + ", must be " + to_string(wanted) +
                            " for an input of " + to_string(x));
  const double eps = node.float_attr("eps");
  if (!(eps >= 0) || std::isinf(eps))
    return fail(node, "eps is " + std::to_string(eps) + ", must be 0 or more");
  return x;
}

}  // namespace

Expected<TensorType> LayerNorm::infer(const Node& node) { return infer_norm(node); }

Expected<Array> LayerNorm::eval(const Node& node, std::span<const Array> in) {
  Array out = in[0];
  const int64_t size = node.type.shape.back();
  for (size_t row = 0; row < out.data.size(); row += size) {
    double* x = out.data.data() + row;
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < size; ++i) sum += x[i];
    const double mean = sum / size;
    for (int64_t i = 0; i < size; ++i) squares += (x[i] - mean) * (x[i] - mean);
    const double deviation = std::sqrt(squares / size + node.float_attr("eps"));
    for (int64_t i = 0; i < size; ++i)
      x[i] = (x[i] - mean) / deviation * in[1].data[i] + in[2].data[i];
  }
  return out;
}

Expected<TensorType> RmsNorm::infer(const Node& node) { return infer_norm(node); }

Expected<Array> RmsNorm::eval(const Node& node, std::span<const Array> in) {
  Array out = in[0];
  const int64_t size = node.type.shape.back();
  for (size_t row = 0; row < out.data.size(); row += size) {
    double* x = out.data.data() + row;
    double squares = 0;
    for (int64_t i = 0; i < size; ++i) squares += x[i] * x[i];
    const double root = std::sqrt(squares / size + node.float_attr("eps"));
    for (int64_t i = 0; i < size; ++i) x[i] = x[i] / root * in[1].data[i];
  }
  return out;
}

}  // namespace tessera::ops
