// SPDX-License-Identifier: Apache-2.0
#include "passes/paddable.h"

#include <unordered_set>
#include <vector>

#include "passes/match.h"
#include "passes/packable.h"
#include "passes/picked_tokens.h"

namespace tessera {
namespace {

Status check_outputs(const Graph& graph, const TokenAxesMap& axes) {
  for (const Output& output : graph.outputs) {
    const TokenAxes& found = axes.at(output.node);
    const bool of_row = found.kind != TokenAxes::Kind::Free && found.batch == 0;
    const bool of_token = found.kind == TokenAxes::Kind::Token && found.sequence == 1;
    if (of_row && (found.kind == TokenAxes::Kind::Row || of_token)) continue;
    return Error{"output '" + output.name + "': is " + to_string(output.node->type) + " of " +
                 called(*output.node) + ", must hold [batch,sequence,…] or [batch,…]"};
  }
  return {};
}

Expected<TokenAxesMap> prove(const Graph& graph, const Node& ids, Layout layout) {
  TokenAxesMap axes = TRY(find_token_axes(graph, {ids.type.shape[0], ids.type.shape[1], layout}));
  if (layout == Layout::Padded) TRY(check_outputs(graph, axes));
  return axes;
}

// Whether each output has the rows of the batch in front.
bool has_rows(const Graph& graph, const TokenAxesMap& axes) {
  for (const Output& output : graph.outputs) {
    const TokenAxes& found = axes.at(output.node);
    if (found.kind == TokenAxes::Kind::Free || found.batch != 0) return false;
  }
  return true;
}

// The conditions and products that make a value low: what masks are written with.
void push_masks(const Node* value, std::vector<const Node*>& open) {
  for (int i = 0; i < kFarthest && (is_view(value) || value->is(Op::Cast)); ++i)
    value = value->in[0];
  if (value->is(Op::Select)) open.push_back(value->in[0]);
  if (value->is(Op::Add)) open.insert(open.end(), value->in.begin(), value->in.end());
}

// Whether a mask of an attention, a softmax or a maximum is made of the ids.
bool masks_ids(const Graph& graph, const Node* ids) {
  std::unordered_set<const Node*> seen;
  std::vector<const Node*> open;
  for (const auto& node : graph.nodes())
    if (node->is(Op::Attention))
      open.insert(open.end(), node->in.begin() + 3, node->in.end());
    else if (node->is(Op::Softmax) || node->is(Op::ReduceMax))
      push_masks(node->in[0], open);
  while (!open.empty()) {
    const Node* node = open.back();
    open.pop_back();
    if (!seen.insert(node).second) continue;
    if (node == ids) return true;
    if (node->is(Op::Gather) || node->is(Op::MatMul)) continue;  // numbers of tokens, not a mask
    open.insert(open.end(), node->in.begin(), node->in.end());
  }
  return false;
}

}  // namespace

Paddable prove_paddable(const Graph& model, const std::string& of_length,
                        const std::string& of_rows) {
  Paddable result;
  result.ids = find_ids(model);
  if (!result.ids) {
    result.why_not = "no input i32[batch,sequence] is looked up in a table";
    return result;
  }
  if (!of_rows.empty()) {
    result.why_not = of_rows;
    return result;
  }
  Graph graph = model.clone();
  const Node* ids = find_ids(graph);
  if (const Status settled = settle_picked_tokens(graph, ids, find_mask(graph, ids)); !settled.ok())
    result.why_not = settled.error().message;
  const auto padded = prove(graph, *ids, Layout::Padded);
  if (padded.ok() && of_length.empty()) {
    result.by_rows = result.by_tokens = true;
    result.hides_id_0 = masks_ids(graph, ids);
    for (const Output& output : graph.outputs)
      if (padded->at(output.node).kind == TokenAxes::Kind::Row)
        result.per_request.insert(output.name);
    return result;
  }
  result.why_not = padded.ok() ? of_length : padded.error().message;
  const auto whole = prove(graph, *ids, Layout::Whole);
  result.by_rows = whole.ok() && has_rows(graph, *whole);
  if (!whole.ok()) result.why_not = whole.error().message;
  for (const Output& output : graph.outputs) result.per_request.insert(output.name);
  return result;
}

}  // namespace tessera
