// SPDX-License-Identifier: Apache-2.0
// reduce_partials: out[0,m,n] = activation(sum over p of partials[p,m,n] + bias) + residual. It
// ends a matmul whose terms were split over tiles.
#include "codelets/constants.h"
#include "codelets/epilogue.tile.h"

using namespace tessera;

extern "C" const ReducePartialsConstants reduce_partials_constants;

namespace {

// The sums of `count` columns that begin at element `at` of the first partial.
void sum_partials(const VertexOperand& partials, int64_t at, int64_t count, float* sums) {
  const Element element = reduce_partials_constants.partials;
  for (int64_t i = 0; i < count; i += kLanes, at += kLanes) {
    const int64_t left = count - i;
    const auto lanes = [&](int64_t p) {
      return load_upto(element, partials.data, at + p * partials.stride[0], left);
    };
    v16 sum = lanes(0);
    for (int64_t p = 1; p < partials.size[0]; ++p) sum += lanes(p);
    store16(Element::F32, sums, i, sum);
  }
}

}  // namespace

extern "C" void reduce_partials(const VertexOperand* operands, void*) {
  const EpilogueConstants& end = reduce_partials_constants.end;
  const VertexOperand& partials = operands[0];
  const VertexOperand* next = operands + 1;
  const VertexOperand* bias = end.has_bias ? next++ : nullptr;
  const VertexOperand* residual = end.has_residual ? next++ : nullptr;
  const VertexOperand& out = *next;

  constexpr int64_t kChunk = 16 * kLanes;
  alignas(64) float sums[kChunk];
  for (int64_t m = 0; m < partials.size[1]; ++m) {
    for (int64_t n = 0; n < partials.size[2]; n += kChunk) {
      const int64_t left = partials.size[2] - n;
      const int64_t count = left < kChunk ? left : kChunk;
      sum_partials(partials, m * partials.stride[1] + n, count, sums);
      finish_row(end,
                 {.bias = bias == nullptr ? nullptr : bias->data,
                  .bias_at = n,
                  .residual = residual == nullptr ? nullptr : residual->data,
                  .residual_at = residual == nullptr ? 0 : m * residual->stride[1] + n,
                  .out = out.data,
                  .out_at = m * out.stride[1] + n},
                 sums, count);
    }
  }
}
