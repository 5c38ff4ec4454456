// SPDX-License-Identifier: Apache-2.0
// Every f32 value becomes f16, but for those that f16 would make wrong; inputs and outputs stay as
// the model declares them.
//
// f16 is stored, exchanged and multiplied; sums and the statistics of a layer norm are f32 inside
// their codelets whatever this pass does. fp32_nodes.h says which others stay in f32.
#include "passes/floats.h"
#include "passes/fp32_nodes.h"
#include "passes/packable.h"
#include "passes/passes.h"

namespace tessera {

Expected<bool> lower_precision(Graph& graph, PassState& state) {
  const Node* ids = find_ids(graph);
  if (ids && state.options.packing == PackingForm::None)
    state.packing.mask_hides = find_mask_that_hides(graph, ids) != nullptr;
  Fp32Choice choice = choose_fp32(graph, state.options);
  state.kept = std::move(choice.why);
  for (std::string& warning : choice.warnings) state.warnings.push_back(std::move(warning));
  TRY(change_floats(graph, DType::F32, DType::F16, std::move(choice.nodes)));
  return true;
}

}  // namespace tessera
