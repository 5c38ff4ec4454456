// SPDX-License-Identifier: Apache-2.0
// rms_norm: v / sqrt(mean of v² + eps) * gamma over each row of v = x + residual. v is kept in
// scratch as f32.
#include "codelets/constants.h"
#include "codelets/residual.tile.h"

using namespace tessera;

extern "C" const RmsNormConstants rms_norm_constants;

extern "C" void rms_norm(const VertexOperand* operands, void* scratch) {
  const RmsNormConstants& is = rms_norm_constants;
  const VertexOperand& x = operands[0];
  const VertexOperand& gamma = operands[1 + is.has_residual];
  const VertexOperand& out = operands[2 + is.has_residual];
  float* v = static_cast<float*>(scratch);
  const int64_t n = x.size[1];
  for (int64_t row = 0; row < x.size[0]; ++row) {
    const float square = add_residual(is, operands, row, v,
                                      [](v16 sum, v16 lanes) { return fma(lanes, lanes, sum); });
    const float scale = 1.0f / __builtin_sqrtf(square + static_cast<float>(is.eps));
    const int64_t at = row * out.stride[0];
    for_each_lanes(n, [&](int64_t i, int64_t left) {
      const v16 normal = load16(Element::F32, v, i) * scale;
      const v16 result = normal * load_upto(is.gamma, gamma.data, i, left);
      store_upto(is.out, out.data, at + i, left, result);
    });
  }
}
