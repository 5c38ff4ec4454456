// SPDX-License-Identifier: Apache-2.0
// Folds, cancels and merges until nothing changes: what the rewrites leave between them.
#include "passes/passes.h"

namespace tessera {

Expected<bool> clean_up(Graph& graph, PassState& state) {
  bool changed = false;
  for (bool again = true; again;) {
    again = false;
    for (auto* pass : {fold_constants, cancel_reshapes, cancel_transposes, merge_duplicates}) {
      if (!TRY(pass(graph, state))) continue;
      graph.remove_dead();
      again = changed = true;
    }
  }
  return changed;
}

}  // namespace tessera
