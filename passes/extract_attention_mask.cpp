// SPDX-License-Identifier: Apache-2.0
// The mask of a model that is packed becomes an input of whole numbers.
//
// In a packed batch the mask holds the numbers of requests, so a mask of bools or floats is
// declared i32 and cast to what it was. Some models take no mask and compare their ids with that of
// padding (ids == 0) to hide it. The comparison then asks an input attention_mask instead, which is
// 0 where no request stands. Alone, such a model would hide a token of that id, so a request must
// not hold it (PackingContract::padding_is_hidden).
#include <algorithm>
#include <unordered_set>

#include "passes/match.h"
#include "passes/packable.h"
#include "passes/passes.h"

namespace tessera {
namespace {

constexpr const char* kMaskName = "attention_mask";

// The parts of scores behind the products of queries and keys: masks, and nothing of tokens.
std::vector<Node*> parts_of_scores(const Graph& graph) {
  std::vector<Node*> open, found;
  std::unordered_set<const Node*> seen;
  for (const auto& node : graph.nodes())
    if (node->is(Op::Softmax))
      open.push_back(node->in[0]);
    else if (node->is(Op::Attention))
      open.insert(open.end(), node->in.begin() + 3, node->in.end());
  while (!open.empty()) {
    Node* node = open.back();
    open.pop_back();
    if (!seen.insert(node).second) continue;
    found.push_back(node);
    const bool moves = is_view(node) || node->is(Op::Slice) || node->is(Op::Concat);
    if (info(node->op).elementwise || moves)
      open.insert(open.end(), node->in.begin(), node->in.end());
    else if (node->is(Op::Gather) && node->in[1]->is(Op::Constant))
      open.push_back(node->in[0]);
  }
  return found;
}

// The only one of them that is an input of tokens beside the ids, if it is of bools or floats.
Node* mask_of_another_type(const Graph& graph, const std::vector<Node*>& parts, const Node* ids) {
  Node* mask = nullptr;
  for (Node* node : parts) {
    if (!node->is(Op::Input) || node == ids || node->type.shape != ids->type.shape) continue;
    if (mask) return nullptr;
    mask = node;
  }
  const bool is_other = mask && mask->type.dtype != DType::I32 && !graph.is_output(mask);
  return is_other ? mask : nullptr;
}

void declare_whole(Graph& graph, Node* mask) {
  const std::vector<Node*> users = graph.users(mask);
  const std::string was(to_string(mask->type.dtype));
  mask->type.dtype = DType::I32;
  Node* cast = put(graph, graph.first_inside(), mask, Op::Cast,
                   {
                       mask
  },
                   {{"to", was}});
  for (Node* user : users)
    for (size_t i = 0; i < user->in.size(); ++i)
      if (user->in[i] == mask) graph.set_operand(user, i, cast);
}

bool is_number(DType dtype) { return dtype == DType::I32 || is_float(dtype); }

// The ids behind what neither changes nor joins them.
bool are_ids(const Node* node, const Node* ids) {
  for (int i = 0; i < kFarthest && node != ids; ++i) {
    const bool moves = is_view(node) || (node->is(Op::Cast) && is_number(node->type.dtype));
    if (!moves || node->in.empty()) return false;
    node = node->in[0];
  }
  return node == ids;
}

struct Comparison {
  Node* node = nullptr;
  size_t ids = 0;  // which operand they are
  double padding = 0;
};

// ids == padding, or 0 < ids.
std::optional<Comparison> comparison_of(Node* node, const Node* ids) {
  if (!node->is(Op::Equal) && !node->is(Op::Less)) return std::nullopt;
  for (const size_t i : {size_t{1}, size_t{0}}) {
    if (node->is(Op::Less) && i == 0) continue;
    const std::optional<double> number = splat(node->in[1 - i]);
    if (!number || !are_ids(node->in[i], ids)) continue;
    if (node->is(Op::Less) && *number != 0) return std::nullopt;
    return Comparison{node, i, *number};
  }
  return std::nullopt;
}

// The same casts and views of the mask.
Node* put_chain(Graph& graph, Node* chain, const Node* ids, Node* mask, const Node* before) {
  if (chain == ids) return mask;
  Node* in = put_chain(graph, chain->in[0], ids, mask, before);
  return put(graph, before, chain, chain->op, {in}, chain->attrs);
}

// Every comparison with the id that scores are hidden by. Nothing if there are several such ids.
std::vector<Comparison> comparisons(const Graph& graph, const std::vector<Node*>& parts,
                                    const Node* ids) {
  std::optional<double> padding;
  for (Node* node : parts)
    if (const auto found = comparison_of(node, ids)) {
      if (padding && *padding != found->padding) return {};
      padding = found->padding;
    }
  std::vector<Comparison> all;
  if (!padding || *padding < 0) return {};
  for (const auto& node : graph.nodes())
    if (const auto found = comparison_of(node.get(), ids); found && found->padding == *padding)
      all.push_back(*found);
  return all;
}

void ask_the_mask(Graph& graph, const Comparison& comparison, const Node* ids, Node* mask) {
  Node* node = comparison.node;
  std::vector<Node*> in(2);
  in[comparison.ids] = put_chain(graph, node->in[comparison.ids], ids, mask, node);
  const TensorType& type = in[comparison.ids]->type;
  in[1 - comparison.ids] = put_splat(graph, node, type.dtype, 0, type.shape);
  graph.replace_uses(node, put(graph, node, node, node->op, in));
}

}  // namespace

Expected<bool> extract_attention_mask(Graph& graph, PassState& state) {
  const Node* ids = find_ids(graph);
  if (!ids) return false;
  const std::vector<Node*> parts = parts_of_scores(graph);
  if (Node* mask = mask_of_another_type(graph, parts, ids)) {
    declare_whole(graph, mask);
    return true;
  }
  const bool has_mask = std::ranges::any_of(graph.inputs, [&](const Node* input) {
    return input != ids && (std::ranges::find(parts, input) != parts.end() ||
                            input->name.find("mask") != std::string::npos);
  });
  const std::vector<Comparison> all =
      has_mask ? std::vector<Comparison>{} : comparisons(graph, parts, ids);
  if (all.empty()) return false;
  Node* mask = graph.add_input(kMaskName, ids->type);
  for (const Comparison& comparison : all) ask_the_mask(graph, comparison, ids, mask);
  state.packing.padding_id = static_cast<int64_t>(all.front().padding);
  state.packing.padding_is_hidden = true;
  return true;
}

}  // namespace tessera
