// SPDX-License-Identifier: Apache-2.0
// Every f32 value becomes f16; inputs and outputs stay as the model declares them.
//
// f16 is stored, exchanged and multiplied; sums and the statistics of a layer norm are f32 inside
// their codelets whatever this pass does.
#include "passes/floats.h"
#include "passes/passes.h"

namespace tessera {

Expected<bool> lower_precision(Graph& graph, PassState& state) {
  TRY(change_floats(graph, DType::F32, DType::F16, state.options.fp32_ops));
  return true;
}

}  // namespace tessera
