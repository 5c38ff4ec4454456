// SPDX-License-Identifier: Apache-2.0
#include "passes/paddable.h"

#include <algorithm>
#include <unordered_set>
#include <vector>

#include "passes/key_mask.h"
#include "passes/match.h"
#include "passes/own_numbers.h"
#include "passes/packable.h"
#include "passes/picked_tokens.h"
#include "passes/split_merged_axes.h"

namespace tessera {
namespace {

Status check_padded_outputs(const Graph& graph, const TokenAxesMap& axes) {
  for (const Output& output : graph.outputs) {
    const TokenAxes& found = axes.at(output.node);
    const bool of_row = found.kind != TokenAxes::Kind::Free && found.batch == 0;
    const bool of_token = found.is_in_front();
    if (of_row && (found.kind == TokenAxes::Kind::Row || of_token)) continue;
    return Error{"output '" + output.name + "': is " + to_string(output.node->type) + " of " +
                 called(*output.node) + ", must hold [batch,sequence,…] or [batch,…]"};
  }
  return {};
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

// The reasons for which masks of scores hide a token.
struct MaskSources {
  bool ids = false;     // hidden by what a token is
  bool places = false;  // and by where it stands: a constant of queries by keys hides some
};

bool hides_places(const Node& node) {
  const Shape& shape = node.type.shape;
  const size_t rank = shape.size();
  if (!node.is(Op::Constant) || !node.value.has_data() || rank < 2 || shape[rank - 1] < 2 ||
      shape[rank - 1] != shape[rank - 2])
    return false;
  for (int64_t i = 0; i < elements(shape); ++i)
    if (node.type.dtype == DType::Bool || hides(element(node.value, i))) return true;
  return false;
}

MaskSources mask_sources(const Graph& graph, const Node* ids) {
  MaskSources sources;
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
    sources.ids = sources.ids || node == ids;
    sources.places = sources.places || hides_places(*node);
    if (node->is(Op::Gather) || is_float_matmul(node)) continue;  // numbers of tokens, not a mask
    open.insert(open.end(), node->in.begin(), node->in.end());
  }
  return sources;
}

}  // namespace

bool hides_by_ids(const Graph& graph, const Node* ids) { return mask_sources(graph, ids).ids; }

Expected<PaddedAxes> find_padded_axes(const Graph& graph, const Node* ids,
                                      bool only_rows_are_so_long) {
  TokenShape shape{.rows = ids->type.shape[0],
                   .row_length = ids->type.shape[1],
                   .layout = Layout::Padded,
                   .only_rows_are_so_long = only_rows_are_so_long,
                   .mask = find_mask(graph, ids),
                   .filled = nullptr};
  Expected<TokenAxesMap> by_0 = find_token_axes(graph, shape);
  if (by_0.ok()) return PaddedAxes{by_0.take(), false};
  shape.filled = shape.mask;
  if (!shape.filled) return by_0.error();
  Expected<TokenAxesMap> by_1 = find_token_axes(graph, shape);
  return by_1.ok() ? Expected<PaddedAxes>(PaddedAxes{by_1.take(), true}) : by_0.error();
}

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
  split_merged_rows(graph, ids);
  spell_own_numbers(graph);
  const auto padded = find_padded_axes(graph, ids);
  const Status outputs = padded.ok() ? check_padded_outputs(graph, padded->axes) : Status();
  const MaskSources sources = mask_sources(graph, ids);
  // A first token that its id hides sees no key, and then every cell alike.
  const bool has_pairs = padded.ok() && std::ranges::any_of(padded->axes, [](const auto& axes) {
                           return axes.second.key >= 0;
                         });
  const bool may_see_nothing = sources.ids && (sources.places || has_pairs);
  if (padded.ok() && outputs.ok() && of_length.empty() && !may_see_nothing) {
    result.by_rows = result.by_tokens = true;
    result.mask_hides = padded->mask_hides;
    result.hides_id_0 = sources.ids;
    for (const Output& output : graph.outputs)
      if (padded->axes.at(output.node).kind == TokenAxes::Kind::Row)
        result.per_request.insert(output.name);
    return result;
  }
  result.mask_hides = mask_that_hides(graph) != nullptr;
  result.why_not = of_length;
  if (!padded.ok())
    result.why_not = padded.error().message;
  else if (!outputs.ok())
    result.why_not = outputs.error().message;
  else if (of_length.empty())
    result.why_not =
        "its mask hides tokens by their ids and by their places, so that one may see no other, and "
        "then padding would be part of its answer";
  const auto whole = find_token_axes(
      graph,
      {.rows = ids->type.shape[0], .row_length = ids->type.shape[1], .layout = Layout::Whole});
  result.by_rows = whole.ok() && has_rows(graph, *whole);
  if (!whole.ok()) result.why_not = whole.error().message;
  for (const Output& output : graph.outputs) result.per_request.insert(output.name);
  return result;
}

}  // namespace tessera
