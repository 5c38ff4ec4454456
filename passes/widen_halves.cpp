// SPDX-License-Identifier: Apache-2.0
// The f16 values of a model become f32. Where f16 is asked for, lower_precision makes them f16
// again. Where requests are packed in fp32 they stay f32.
//
// Converters to f16 leave hundreds of casts around what they deem delicate: powers, roots, softmax.
// No pattern reaches across them, and a model whose attention is not found is not packed. Codelets
// keep sums and statistics in f32 anyway; so the model is read as the f32 one that it was. Matmuls
// of fp8 give f16, and a model that was converted to them stays as it is.
#include <algorithm>

#include "passes/floats.h"
#include "passes/passes.h"

namespace tessera {

Expected<bool> widen_halves(Graph& graph, PassState&) {
  const auto has = [&](DType dtype) {
    return std::ranges::any_of(graph.nodes(),
                               [&](const auto& node) { return node->type.dtype == dtype; });
  };
  if (!has(DType::F16) || has(DType::F143) || has(DType::F152)) return false;
  TRY(change_floats(graph, DType::F16, DType::F32));
  return true;
}

}  // namespace tessera
