// SPDX-License-Identifier: Apache-2.0
// Not a codelet of the machine's: fused products with nothing else, in as many registers as hide
// their latency. It is the most that the matmul can reach. scratch receives a sum of each
// chain, and then the lanes of a register.
#include "codelets/vector.tile.h"

using namespace tessera;

extern "C" const HostVectors host_vectors;

namespace {

constexpr int kChains = 12;  // of one register each, on any host
template <int Lanes>
using Vector = float __attribute__((ext_vector_type(Lanes)));

template <int Lanes>
void chains(const VertexOperand* operands, float* sums) {
  using V = Vector<Lanes>;
  V sum[kChains] = {};
  const V factor = V(1.0f + 1e-6f * static_cast<float>(operands[0].size[1]));
  for (int64_t i = 0; i < operands[0].size[0]; ++i) {
#pragma unroll
    for (int c = 0; c < kChains; ++c) sum[c] = __builtin_elementwise_fma(sum[c], factor, factor);
  }
  for (int c = 0; c < kChains; ++c) sums[c] = sum[c][0];
  sums[kChains] = Lanes;
}

}  // namespace

extern "C" void fma_peak(const VertexOperand* operands, void* scratch) {
  if (host_vectors.bytes == 64) return chains<16>(operands, static_cast<float*>(scratch));
  if (host_vectors.bytes == 32) return chains<8>(operands, static_cast<float*>(scratch));
  chains<4>(operands, static_cast<float*>(scratch));
}
