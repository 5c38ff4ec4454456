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
#include "passes/seen_tokens.h"
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

// The reasons for which masks of scores hide a token.
struct MaskSources {
  bool ids = false;      // hidden by what a token is
  bool places = false;   // and by where it stands: a constant of queries by keys hides some
  bool numbers = false;  // by how its numbers compare, so that a request may have no token that is
                         // seen: its id with more than one other, its type, what it is looked up to
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

constexpr int64_t kMostHeads = 256;  // a mask has a number for each of them at most

// How a value on the way from a mask to what it is made of is asked.
enum class Asked : uint8_t { AsItIs, Computed, IsItZero, HowItCompares };

Asked asked_of_operands(const Node& node, Asked asked) {
  if (node.type.dtype == DType::Bool) {
    const bool is_by_zero = node.is(Op::Equal) &&
                            std::ranges::any_of(node.in, [](Node* in) { return splat(in) == 0.0; });
    const bool compares = (node.is(Op::Equal) && !is_by_zero) || node.is(Op::Less);
    const bool is_of_bools = node.in[0]->type.dtype == DType::Bool;
    return compares && !is_of_bools ? Asked::HowItCompares : Asked::IsItZero;
  }
  const bool keeps = is_view(&node) || node.is(Op::Cast) || node.is(Op::Select);
  if (keeps || !info(node.op).elementwise) return asked;
  return asked == Asked::AsItIs || asked == Asked::Computed ? Asked::Computed
                                                            : Asked::HowItCompares;
}

// Numbers of tokens, and not a mask.
bool is_looked_up(const Node& node) {
  return is_float_matmul(&node) || (node.is(Op::Gather) && !node.in[1]->is(Op::Constant));
}

// Whether what tokens are looked up to says which of them are hidden.
bool hides_by_lookup(const Node& node, Asked asked) {
  if (!is_looked_up(node)) return false;
  if (asked == Asked::IsItZero || asked == Asked::HowItCompares) return true;
  if (node.type.dtype == DType::Bool) return true;
  const Node& table = *node.in[0];
  if (!node.is(Op::Gather) || !table.is(Op::Constant) || !table.value.has_data()) return false;
  const int64_t count = table.value.is_uniform() ? 1 : elements(table.type.shape);
  if (count > kMostHeads * table.type.shape[0]) return false;  // embeddings
  for (int64_t i = 0; i < count; ++i)
    if (hides(element(table.value, i))) return true;
  return false;
}

MaskSources mask_sources(const Graph& graph, const Node* ids) {
  MaskSources sources;
  std::set<std::pair<const Node*, Asked>> seen;
  std::vector<std::pair<const Node*, Asked>> open;
  std::vector<const Node*> masks;
  for (const auto& node : graph.nodes())
    if (node->is(Op::Attention))
      masks.insert(masks.end(), node->in.begin() + 3, node->in.end());
    else if (node->is(Op::Softmax) || (node->is(Op::ReduceMax) && is_float(node->type.dtype)))
      masks.push_back(node->in[0]);
  for (const Node* one : masks) open.emplace_back(one, Asked::AsItIs);
  while (!open.empty()) {
    const auto [node, asked] = open.back();
    open.pop_back();
    if (!seen.emplace(node, asked).second) continue;
    sources.ids = sources.ids || node == ids;
    sources.places = sources.places || hides_places(*node);
    sources.numbers =
        sources.numbers ||
        (node == ids && (asked == Asked::HowItCompares || asked == Asked::Computed)) ||
        hides_by_lookup(*node, asked);
    if (is_looked_up(*node)) continue;
    for (const Node* in : node->in) open.emplace_back(in, asked_of_operands(*node, asked));
  }
  return sources;
}

}  // namespace

bool hides_by_ids(const Graph& graph, const Node* ids) { return mask_sources(graph, ids).ids; }
bool hides_by_numbers(const Graph& graph, const Node* ids) {
  return mask_sources(graph, ids).numbers;
}

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
  const bool may_see_nothing = sources.numbers || (sources.ids && (sources.places || has_pairs));
  const Status seen = padded.ok() ? check_tokens_are_seen(graph, {ids, find_mask(graph, ids),
                                                                  padded->mask_hides ? 0.0 : 1.0})
                                  : Status();
  if (padded.ok() && outputs.ok() && of_length.empty() && !may_see_nothing && seen.ok()) {
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
  else if (of_length.empty() && sources.numbers)
    result.why_not =
        "its mask hides tokens by how their numbers compare, so that a request may have none that "
        "is seen, and then padding would be part of its answer";
  else if (!seen.ok())
    result.why_not =
        seen.error().message + " for requests to be padded: padding would be part of its answer";
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
