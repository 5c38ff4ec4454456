// SPDX-License-Identifier: Apache-2.0
// Folds, cancels and merges until nothing changes: what the rewrites leave between them.
//
// Each round takes a layer off a nest of pairs that undo each other. Exporters leave two or three;
// a model that was made to hold thousands keeps the rest, which costs it cycles and us no time.
#include "passes/passes.h"

namespace tessera {

Expected<bool> clean_up(Graph& graph, PassState& state) {
  constexpr int kMostRounds = 16;
  bool changed = false;
  bool again = true;
  for (int round = 0; again && round < kMostRounds; ++round) {
    again = false;
    if (state.deadline) TRY(state.deadline->check("passes"));
    for (auto* pass : {fold_constants, cancel_reshapes, cancel_transposes, merge_duplicates}) {
      if (!TRY(pass(graph, state))) continue;
      graph.remove_dead();
      again = changed = true;
    }
  }
  return changed;
}

}  // namespace tessera
