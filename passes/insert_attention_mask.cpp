// SPDX-License-Identifier: Apache-2.0
// Form B of packing: a row holds several requests, and attention stays within each.
//
// The mask input, which said which tokens are there, now holds the request's number within its row,
// 0 where there is none: a query sees the keys of its own number. Shapes stay as they are, so a
// packed model costs what the padded one does. A request never crosses a row; the first token of a
// row is that of its first request alone, so a pooler needs form A.
#include "ir/attention_mask.h"
#include "passes/match.h"
#include "passes/packable.h"
#include "passes/packed_masks.h"
#include "passes/passes.h"

namespace tessera {

Expected<bool> insert_attention_mask(Graph& graph, PassState& state) {
  const Packable model = TRY(prove_packable(graph, state));
  for (const auto& node : graph.nodes())
    if (const auto axes = model.axes.find(node.get());
        axes != model.axes.end() && axes->second.by_request)
      return Error{called(*node) +
                   ": computes a value of whole rows, but rows hold several requests; "
                   "pack with --pack_args, which unpacks first"};
  for (Node* attention : model.attentions) {
    const AttentionMask said = *attention_mask(attention->string_attr("mask"));
    if (!said.has_keys())
      return Error{called(*attention) +
                   ": has no mask, must have the model's attention_mask to keep requests of one "
                   "row apart; pack with --pack_args, which needs none"};
    if (said.bias && !is_by_distance(attention->in[said.bias_operand()]))
      return Error{called(*attention) +
                   ": adds a bias by place in the row, must be by distance for requests to stand "
                   "anywhere in it; pack with --pack_args, which gives each its own row"};
    attention->attrs["mask"] = std::string(said.bias ? "segments+bias" : "segments");
  }
  return !model.attentions.empty();
}

}  // namespace tessera
