// SPDX-License-Identifier: Apache-2.0
// rms_norm: v / sqrt(mean of v² + eps) * gamma over each row of v = x + residual. v is kept in
// scratch as f32.
#include "codelets/rms_norm.h"

#include "codelets/vector.tile.h"

using namespace tessera;

extern "C" const RmsNormConstants rms_norm_constants;

namespace {

// Writes v and returns the mean of its squares.
float add_residual(const VertexOperand& x, const VertexOperand* residual, int64_t row, float* v) {
  const RmsNormConstants& is = rms_norm_constants;
  const int64_t n = x.size[1];
  const int64_t x_at = row * x.stride[0];
  const int64_t residual_at = is.has_residual ? row * residual->stride[0] : 0;
  v16 sum = splat(0);
  for_each_lanes(n, [&](int64_t i, int64_t left) {
    v16 lanes = load_upto(is.x, x.data, x_at + i, left);
    if (is.has_residual) lanes += load_upto(is.residual, residual->data, residual_at + i, left);
    store16(Element::F32, v, i, lanes);
    sum = fma(lanes, lanes, sum);
  });
  return sum_of_lanes(sum) / static_cast<float>(n);
}

}  // namespace

extern "C" void rms_norm(const VertexOperand* operands, void* scratch) {
  const RmsNormConstants& is = rms_norm_constants;
  const VertexOperand& x = operands[0];
  const VertexOperand* residual = operands + 1;
  const VertexOperand& gamma = operands[1 + is.has_residual];
  const VertexOperand& out = operands[2 + is.has_residual];
  float* v = static_cast<float*>(scratch);
  const int64_t n = x.size[1];
  for (int64_t row = 0; row < x.size[0]; ++row) {
    const float eps = static_cast<float>(is.eps);
    const float scale = 1.0f / __builtin_sqrtf(add_residual(x, residual, row, v) + eps);
    const int64_t at = row * out.stride[0];
    for_each_lanes(n, [&](int64_t i, int64_t left) {
      const v16 normal = load16(Element::F32, v, i) * scale;
      const v16 result = normal * load_upto(is.gamma, gamma.data, i, left);
      store_upto(is.out, out.data, at + i, left, result);
    });
  }
}
