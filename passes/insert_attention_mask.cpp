// SPDX-License-Identifier: Apache-2.0
// Form B of packing: a row holds several requests, and attention stays within each.
//
// The mask input, which said which tokens are there, now holds the request's number within its row,
// 0 where there is none: a query sees the keys of its own number. Shapes stay as they are, so a
// packed model costs what the padded one does. A request never crosses a row. Heads that answer per
// request are made again, on rows that are unpacked for them (passes/request_heads.h).
#include <algorithm>

#include "ir/attention_mask.h"
#include "passes/distance_bias.h"
#include "passes/match.h"
#include "passes/packed_masks.h"
#include "passes/passes.h"
#include "passes/request_heads.h"

namespace tessera {
namespace {

// A batch has room for this many requests a row unless the caller says otherwise. Heads take memory
// for all of them.
constexpr int64_t kRequestsOfRow = 4;

// Outputs stay where their tokens stand; those of whole requests are by request.
Status make_heads(Graph& graph, const Packable& model, PassState& state) {
  const TokenShape& shape = model.shape;
  const int64_t given = state.options.max_valid_num;
  const int64_t requests =
      given != 0 ? given : shape.rows * std::min(shape.row_length, kRequestsOfRow);
  const RequestRows rows = add_request_rows(graph, state, {requests, 2}, shape.row_length);
  RequestHeads heads(graph, model, rows);
  TRY(heads.make());
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const auto& [name, node] = graph.outputs[i];
    const TokenAxes& axes = model.axes.at(node);
    if (!axes.by_request && !axes.goes_back) continue;
    Node* made = heads.made(node);
    if (axes.kind == TokenAxes::Kind::Row)
      state.packing.per_request_outputs.insert(name);
    else
      made = put(graph, nullptr, made, Op::Pack,
                 {
                     made, rows.places
      },
                 {{"rows", shape.rows}, {"row_length", shape.row_length}});
    graph.outputs.set(i, made);
  }
  return {};
}

// A request may stand anywhere in its row.
Status settle_bias(Graph& graph, Node* attention, size_t operand) {
  const Array bias = to_array(attention->in[operand]->value);
  const std::optional<Array> by_distance = bias_by_distance(bias);
  if (!by_distance)
    return Error{called(*attention) +
                 ": adds a bias by place in the row, must be by distance for requests to stand "
                 "anywhere in it; pack with --pack_args, which gives each its own row"};
  if (by_distance->data != bias.data)
    graph.set_operand(
        attention, operand,
        graph.add_constant(attention->name + "/distances", to_tensor(*by_distance), attention));
  return {};
}

}  // namespace

Expected<bool> insert_attention_mask(Graph& graph, PassState& state) {
  const Packable model = TRY(prove_packable(graph, state));
  const int64_t most = model.shape.rows * model.shape.row_length;
  if (const int64_t given = state.options.max_valid_num; given != 0)
    TRY(check_pack_arg("max_valid_num", given, most, "the tokens of a batch"));
  for (Node* attention : model.attentions) {
    const AttentionMask said = *attention_mask(attention->string_attr("mask"));
    if (!said.has_keys())
      return Error{called(*attention) +
                   ": has no mask, must have the model's attention_mask to keep requests of one "
                   "row apart; pack with --pack_args, which needs none"};
  }
  state.packing.max_valid_num = state.options.max_valid_num;
  const bool has_heads =
      std::ranges::any_of(model.axes, [](const auto& axes) { return axes.second.by_request; });
  if (has_heads) TRY(make_heads(graph, model, state));
  // After the heads, which know the nodes of the model alone.
  for (Node* attention : model.attentions) {
    const AttentionMask said = *attention_mask(attention->string_attr("mask"));
    if (said.bias) TRY(settle_bias(graph, attention, said.bias_operand()));
    attention->attrs["mask"] = std::string(said.bias ? "segments+bias" : "segments");
  }
  return has_heads || !model.attentions.empty();
}

}  // namespace tessera
