// SPDX-License-Identifier: Apache-2.0
// layer_norm: (v - mean) / sqrt(variance + eps) * gamma + beta over each row of v = x + residual.
//
// The variance is taken in a second pass, from the differences to the mean: sums of squares would
// cancel where the mean is large. v is kept in scratch as f32, zeros after its last element.
#include "codelets/constants.h"
#include "codelets/residual.tile.h"

using namespace tessera;

extern "C" const LayerNormConstants layer_norm_constants;

namespace {

float variance(const float* v, int64_t n, float mean) {
  v16 sum = splat(0);
  for_each_lanes(n, [&](int64_t i, int64_t left) {
    const v16 difference = load16(Element::F32, v, i) - mean;
    const v16 counted = first_lanes(left) ? difference : splat(0);
    sum = fma(counted, counted, sum);
  });
  return sum_of_lanes(sum) / static_cast<float>(n);
}

}  // namespace

extern "C" void layer_norm(const VertexOperand* operands, void* scratch) {
  const LayerNormConstants& is = layer_norm_constants;
  const VertexOperand& x = operands[0];
  const VertexOperand& gamma = operands[1 + is.has_residual];
  const VertexOperand& beta = operands[2 + is.has_residual];
  const VertexOperand& out = operands[3 + is.has_residual];
  float* v = static_cast<float*>(scratch);
  const int64_t n = x.size[1];
  for (int64_t row = 0; row < x.size[0]; ++row) {
    const float mean =
        add_residual(is, operands, row, v, [](v16 sum, v16 lanes) { return sum + lanes; });
    const float eps = static_cast<float>(is.eps);
    const float scale = 1.0f / __builtin_sqrtf(variance(v, n, mean) + eps);
    const int64_t at = row * out.stride[0];
    for_each_lanes(n, [&](int64_t i, int64_t left) {
      const v16 normal = (load16(Element::F32, v, i) - mean) * scale;
      const v16 result = fma(normal, load_upto(is.gamma, gamma.data, i, left),
                             load_upto(is.beta, beta.data, i, left));
      store_upto(is.out, out.data, at + i, left, result);
    });
  }
}
