// SPDX-License-Identifier: Apache-2.0
#include "passes/known_inputs.h"

#include <algorithm>
#include <vector>

#include "ir/attention_mask.h"
#include "passes/key_mask.h"
#include "passes/match.h"

namespace tessera {
namespace {

// The input of whole numbers that this value moves or casts, if it is one.
const Node* moved_input(const Node* node) {
  for (int i = 0; i < kFarthest && (is_view(node) || node->is(Op::Cast)); ++i) node = node->in[0];
  return node->is(Op::Input) && node->type.dtype == DType::I32 ? node : nullptr;
}

// m, where the node is (1 - m) times a number that hides a key.
const Node* mask_of_penalty(const Node* node) {
  if (!node->is(Op::Mul)) return nullptr;
  const Node* rest =
      other_operand(node, [](const Node* in) { return hides(splat(in).value_or(0)); });
  if (!rest) return nullptr;
  for (int i = 0; i < kFarthest && is_view(rest); ++i) rest = rest->in[0];
  return rest->is(Op::Sub) && splat(rest->in[0]) == 1.0 ? moved_input(rest->in[1]) : nullptr;
}

// A condition that is made of one input and of constants by such nodes tells whether the input is
// 0.
bool tells_there_or_not(const Node* node) {
  if (is_view(node) || node->is(Op::Cast) || node->is(Op::Mul)) return true;
  if (node->is(Op::And) || node->is(Op::Not)) return true;
  const bool compares = node->is(Op::Equal) || node->is(Op::Less);
  return compares && other_operand(node, [](Node* in) { return splat(in).has_value(); });
}

// The input of whole numbers that alone decides this condition; null if it is another.
const Node* mask_of_condition(const Node* condition) {
  const Node* mask = nullptr;
  std::unordered_set<const Node*> seen;
  std::vector<const Node*> open{condition};
  while (!open.empty()) {
    const Node* node = open.back();
    open.pop_back();
    if (!seen.insert(node).second || node->is(Op::Constant)) continue;
    if (node->is(Op::Input)) {
      if (node->type.dtype != DType::I32 || mask) return nullptr;
      mask = node;
      continue;
    }
    if (!tells_there_or_not(node) || seen.size() > kFarthest) return nullptr;
    open.insert(open.end(), node->in.begin(), node->in.end());
  }
  return mask;
}

// The mask that a bias is made with, which a select writes where keys are hidden.
const Node* mask_of_bias(const Node* bias) {
  for (int i = 0; i < kFarthest && is_view(bias); ++i) bias = bias->in[0];
  if (!bias->is(Op::Select)) return nullptr;
  const bool selects =
      hides(splat(bias->in[1]).value_or(0)) || hides(splat(bias->in[2]).value_or(0));
  return selects ? mask_of_condition(bias->in[0]) : nullptr;
}

// The mask by which an attention hides keys.
const Node* mask_of_attention(const Node* node) {
  const AttentionMask mask = *attention_mask(node->string_attr("mask"));
  if (mask.has_keys()) return moved_input(node->in[3]);
  return mask.bias ? mask_of_bias(node->in[mask.bias_operand()]) : nullptr;
}

void limit_index(const Node* gather, KnownInputs& known) {
  const Node* indices = gather->in[1];
  for (int i = 0; i < kFarthest && indices->is(Op::Reshape); ++i) indices = indices->in[0];
  if (!indices->is(Op::Input)) return;
  const int64_t rows = gather->in[0]->type.shape[static_cast<size_t>(gather->int_attr("axis"))];
  const auto [limit, is_new] = known.limits.emplace(indices, rows);
  if (!is_new) limit->second = std::min(limit->second, rows);
}

}  // namespace

KnownInputs known_inputs(const Graph& graph) {
  KnownInputs known;
  for (const auto& node : graph.nodes()) {
    if (node->is(Op::Gather)) limit_index(node.get(), known);
    const Node* mask =
        node->is(Op::Attention) ? mask_of_attention(node.get()) : mask_of_penalty(node.get());
    if (!mask) continue;
    known.masks.insert(mask);
    if (node->is(Op::Mul))
      known.penalties.emplace(mask, node.get());
    else if (attention_mask(node->string_attr("mask"))->has_keys())
      known.key_masks.emplace(mask, node.get());
  }
  return known;
}

}  // namespace tessera
