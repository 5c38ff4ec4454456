// SPDX-License-Identifier: Apache-2.0
#include "passes/packable.h"

#include <algorithm>
#include <tuple>
#include <unordered_set>

#include "ir/attention_mask.h"
#include "passes/mask_values.h"
#include "passes/match.h"
#include "passes/own_numbers.h"
#include "passes/packed_masks.h"
#include "passes/packed_positions.h"
#include "passes/paddable.h"
#include "passes/picked_tokens.h"
#include "passes/seen_tokens.h"
#include "passes/split_merged_axes.h"

namespace tessera {
namespace {

// m, where the value is 1 exactly where this i32 input is 0.
Node* inverted_input(Node* value) {
  if (!value->is(Op::Cast) || !value->in[0]->is(Op::Equal)) return nullptr;
  Node* equal = value->in[0];
  Node* other = other_operand(equal, [](Node* in) { return splat(in) == 0.0; });
  return other && other->is(Op::Input) && other->type.dtype == DType::I32 ? other : nullptr;
}

// The input that an index is, behind casts, reshapes and transposes.
Node* index_input(Node* index) {
  const auto moves = [](const Node* node) {
    return node->is(Op::Reshape) || node->is(Op::Transpose) || node->is(Op::Cast);
  };
  for (int i = 0; i < kFarthest && moves(index); ++i) index = index->in[0];
  const bool fits =
      index->is(Op::Input) && index->type.dtype == DType::I32 && index->type.shape.size() == 2;
  return fits ? index : nullptr;
}

Status check_mask(const Node& attention, const Packable& model) {
  const std::string_view kind = attention_mask(attention.string_attr("mask"))->kind;
  if (kind == "none") return {};
  if (kind != "keys")
    return Error{called(attention) + ": has mask " + attention.string_attr("mask") +
                 ", must be none or keys, with or without a bias, to be packed"};
  const Node* mask = attention.in[3];
  if (!mask->is(Op::Input))
    return Error{called(attention) + ": its mask is computed by " + called(*mask) +
                 ", must be an input of the model to be packed"};
  if (model.mask && model.mask != mask)
    return Error{called(attention) + ": its mask is input '" + mask->name + "', must be '" +
                 model.mask->name + "' as in the attention before"};
  return {};
}

Status check_packed_outputs(const Graph& graph, const TokenAxesMap& axes) {
  for (const Output& output : graph.outputs) {
    const TokenAxes& found = axes.at(output.node);
    const bool per_token = found.is_in_front();
    const bool per_row = found.kind == TokenAxes::Kind::Row && found.batch == 0;
    if (!per_token && !per_row)
      return Error{"output '" + output.name + "': is " + to_string(output.node->type) + " of " +
                   called(*output.node) +
                   ", must hold [batch,sequence,…] or [batch,…] to be packed"};
  }
  return {};
}

// The only input of the ids' type with this word in its name.
Node* the_one_named(const Graph& graph, const Node* ids, const char* word) {
  Node* found = nullptr;
  for (Node* input : graph.inputs) {
    if (input == ids || input->type != ids->type) continue;
    if (input->name.find(word) == std::string::npos) continue;
    if (found) return nullptr;
    found = input;
  }
  return found;
}

}  // namespace

Node* find_ids(const Graph& graph) {
  using Rank = std::tuple<bool, bool, int64_t>;
  Node* ids = nullptr;
  Rank best;
  for (const auto& node : graph.nodes()) {
    if (!node->is(Op::Gather) || node->int_attr("axis") != 0) continue;
    const Node* table = node->in[0];
    Node* input = index_input(node->in[1]);
    const bool is_table = is_float(table->type.dtype) || is_byte(table->type.dtype);
    if (!input || !is_table || table->type.shape.size() != 2) continue;
    const bool positions = input->name.find("position") != std::string::npos;
    const Rank rank = {input->name == "input_ids", !positions, table->type.shape[0]};
    if (ids && rank <= best) continue;
    ids = input;
    best = rank;
  }
  return ids;
}

namespace {

// The inputs of the ids' type that masks of attentions are made of; `by_numbers`: also those that
// tokens are looked up by, or multiplied to a bias.
std::unordered_set<Node*> inputs_of_masks(const Graph& graph, const Node* ids, bool by_numbers) {
  std::unordered_set<const Node*> seen;
  std::unordered_set<Node*> found;
  std::vector<Node*> open;
  for (const auto& node : graph.nodes())
    if (node->is(Op::Attention)) open.insert(open.end(), node->in.begin() + 3, node->in.end());
  while (!open.empty()) {
    Node* node = open.back();
    open.pop_back();
    if (!seen.insert(node).second) continue;
    if (node->is(Op::Input) && node != ids && node->type == ids->type) found.insert(node);
    if (by_numbers)
      open.insert(open.end(), node->in.begin(), node->in.end());
    else if (node->is(Op::Gather))
      open.push_back(node->in[0]);
    else if (!is_float_matmul(node))
      open.insert(open.end(), node->in.begin(), node->in.end());
  }
  return found;
}

}  // namespace

Node* find_mask(const Graph& graph, const Node* ids) {
  std::unordered_set<Node*> found = inputs_of_masks(graph, ids, /*by_numbers=*/false);
  if (found.empty()) found = inputs_of_masks(graph, ids, /*by_numbers=*/true);
  if (found.size() == 1) return *found.begin();
  return found.empty() ? the_one_named(graph, ids, "mask") : nullptr;
}

Node* mask_that_hides(const Graph& graph) {
  Node* mask = nullptr;
  for (const auto& node : graph.nodes()) {
    if (!node->is(Op::Attention) || node->in.size() == 3) continue;
    Node* hidden = inverted_input(node->in[3]);
    if (!hidden || (mask && mask != hidden)) return nullptr;
    mask = hidden;
  }
  return mask;
}

Node* find_mask_that_hides(const Graph& graph, const Node* ids) {
  const bool attends = std::ranges::any_of(graph.nodes(), [](const auto& node) {
    return node->is(Op::Attention) && node->in.size() > 3;
  });
  if (attends) return mask_that_hides(graph);
  return prove_paddable(graph, "").mask_hides ? find_mask(graph, ids) : nullptr;
}

const Node* find_positions(const Graph& graph, const Node* ids) {
  return the_one_named(graph, ids, "position");
}

namespace {

// In a packed batch the mask holds ordinals 1, 2, 3 …, which only attention knows. Where the model
// computes with it, it says which tokens are there: all that have an ordinal.
Status put_presence(Graph& graph, Node* mask, const Node* ids) {
  if (graph.is_output(mask))
    return Error{"input '" + mask->name + "': is an output too, must only be a mask to be packed"};
  UserMap users = users_of(graph);
  std::vector<Node*> others;
  for (Node* user : users[mask]) {
    const bool tells_apart = user->is(Op::SegmentMax) && user->in[0] != mask;
    const bool attends =
        user->is(Op::Attention) &&
        std::find(user->in.begin(), user->in.begin() + 3, mask) == user->in.begin() + 3;
    if (!tells_apart && !attends) others.push_back(user);
  }
  if (others.empty()) return {};
  if (mask == ids || index_inputs(graph).contains(mask))
    return Error{called(*others.front()) + ": computes with the mask '" + mask->name +
                 "' outside of attention, where it must be of 0 and 1 to be packed"};
  const Node* first = others.front();
  for (const auto& node : graph.nodes())
    if (std::ranges::find(others, node.get()) != others.end()) {
      first = node.get();
      break;
    }
  Node* none = put_splat(graph, first, DType::I32, 0, mask->type.shape);
  Node* there = put(graph, first, first, Op::Less, {none, mask});
  Node* presence = put(graph, first, first, Op::Cast,
                       {
                           there
  },
                       {{"to", std::string("i32")}});
  for (Node* user : others) std::ranges::replace(user->in, mask, presence);
  return {};
}

// The packed batch has the ordinals of requests for a mask all the same: attention reads them as
// they are, and others that no request is there where the mask is 0.
bool settle_mask_that_hides(Graph& graph, const Node* ids) {
  Node* mask = find_mask_that_hides(graph, ids);
  if (!mask || graph.is_output(mask)) return false;
  std::vector<Node*> attentions;
  for (const auto& node : graph.nodes())
    if (node->is(Op::Attention) && node->in.size() > 3) attentions.push_back(node.get());
  const std::vector<Node*> users = graph.users(mask);
  const Node* first = graph.first_inside();
  Node* none = put_splat(graph, first, DType::I32, 0, mask->type.shape);
  Node* absent = put(graph, first, first, Op::Equal, {mask, none});
  Node* inverse = put(graph, first, first, Op::Cast,
                      {
                          absent
  },
                      {{"to", std::string("i32")}});
  for (Node* user : users)
    for (size_t i = 0; i < user->in.size(); ++i)
      if (user->in[i] == mask) graph.set_operand(user, i, inverse);
  for (Node* attention : attentions) graph.set_operand(attention, 3, mask);
  for (Node* told : graph.users(inverse))
    if (told->is(Op::SegmentMax)) graph.set_operand(told, 1, mask);
  graph.remove_dead();
  return true;
}

}  // namespace

Status settle_packed(Graph& graph, const Node* ids, PackedAnchors& anchors) {
  anchors.mask_hides = settle_mask_that_hides(graph, ids);
  if (anchors.mask_counts && anchors.mask_hides)
    return Error{
        "packing: positions are counted by a mask that is 1 where it hides; must be counted by "
        "tokens that are there"};
  TRY(settle_picked_tokens(graph, ids, find_mask(graph, ids)));
  split_merged_rows(graph, ids);
  spell_own_numbers(graph);
  TRY(settle_packed_masks(graph, find_mask(graph, ids)));
  if (Node* mask = find_mask(graph, ids)) TRY(put_presence(graph, mask, ids));
  return look_up_positions(graph, ids, anchors);
}

Expected<Packable> prove_packable(Graph& graph, PassState& state) {
  Packable model;
  model.ids = find_ids(graph);
  if (!model.ids)
    return Error{
        "packing: no input i32[batch,sequence] is looked up in a table, one must be, "
        "to know which holds the tokens"};
  model.shape = {model.ids->type.shape[0], model.ids->type.shape[1], Layout::Packed};
  TRY(settle_packed(graph, model.ids, state.packing));
  for (const auto& node : graph.nodes()) {
    if (!node->is(Op::Attention)) continue;
    TRY(check_mask(*node, model));
    if (attention_mask(node->string_attr("mask"))->has_keys()) model.mask = node->in[3];
    model.attentions.push_back(node.get());
  }
  model.axes = TRY(find_token_axes(graph, model.shape));
  TRY(check_packed_outputs(graph, model.axes));
  std::erase_if(model.attentions, [&](const Node* node) { return model.axes.at(node).goes_back; });
  const bool has_pairs =
      std::ranges::any_of(model.axes, [](const auto& axes) { return axes.second.key >= 0; });
  if (has_pairs && hides_by_ids(graph, model.ids))
    return Error{
        "packing: a mask for each two tokens hides them by their ids, so that one may see no "
        "other, and then the length of its row would be part of its answer"};

  if (hides_by_numbers(graph, model.ids))
    return Error{
        "packing: a mask hides tokens by how their numbers compare, so that a request may have "
        "none that is seen, and then the length of its row would be part of its answer"};

  if (const Status seen = check_tokens_are_seen(graph, {model.ids, find_mask(graph, model.ids)});
      !seen.ok())
    return Error{"packing: " + seen.error().message + " to be packed"};
  state.packing.rows = model.shape.rows;
  state.packing.row_length = model.shape.row_length;
  state.packing.ids_input = model.ids->name;
  // Heads too may compute with the mask, of which the batch then holds ordinals.
  const Node* mask = model.mask ? model.mask : find_mask(graph, model.ids);
  state.packing.mask_input = mask ? mask->name : "";
  state.packing.token_inputs.clear();
  for (const Node* input : graph.inputs)
    if (input != mask && input->name != state.packing.position_input)
      state.packing.token_inputs.push_back(input->name);
  return model;
}

}  // namespace tessera
