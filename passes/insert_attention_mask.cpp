// SPDX-License-Identifier: Apache-2.0
// Form B of packing: a row holds several requests, and attention stays within each.
//
// The mask input, which said which tokens are there, now holds the request's number within its row,
// 0 where there is none: a query sees the keys of its own number. Shapes stay as they are, so a
// packed model costs what the padded one does. A request never crosses a row; the first token of a
// row is that of its first request alone, so a pooler needs form A.
#include "passes/match.h"
#include "passes/packable.h"
#include "passes/passes.h"

namespace tessera {

Expected<bool> insert_attention_mask(Graph& graph, PassState& state) {
  const Packable model = TRY(prove_packable(graph, state));
  for (const auto& node : graph.nodes())
    if (model.axes.at(node.get()).kind == TokenAxes::Kind::Row)
      return Error{called(*node) +
                   ": takes the first token of each row, but rows hold several requests; "
                   "pack with --pack_args, which unpacks first"};
  for (Node* attention : model.attentions) {
    if (attention->string_attr("mask") == "none")
      return Error{called(*attention) +
                   ": has no mask, must have the model's attention_mask to keep requests of one "
                   "row apart; pack with --pack_args, which needs none"};
    attention->attrs["mask"] = std::string("segments");
  }
  return !model.attentions.empty();
}

}  // namespace tessera
