// SPDX-License-Identifier: Apache-2.0
// The f16 values of a model become f32, for lower_precision to make f16 again.
//
// Converters to f16 leave hundreds of casts around what they deem delicate: powers, roots, softmax.
// No pattern reaches across them. Codelets keep sums and statistics in f32 anyway; so, when f16 is
// asked for, the model is read as the f32 one that it was.
#include <algorithm>

#include "passes/floats.h"
#include "passes/passes.h"

namespace tessera {

Expected<bool> widen_halves(Graph& graph, PassState&) {
  const bool any = std::ranges::any_of(
      graph.nodes(), [](const auto& node) { return node->type.dtype == DType::F16; });
  if (any) TRY(change_floats(graph, DType::F16, DType::F32));
  return any;
}

}  // namespace tessera
