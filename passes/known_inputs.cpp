// SPDX-License-Identifier: Apache-2.0
#include "passes/known_inputs.h"

#include <algorithm>

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
    const bool hides_keys =
        node->is(Op::Attention) && node->string_attr("mask").starts_with("keys");
    const Node* mask = hides_keys ? moved_input(node->in[3]) : mask_of_penalty(node.get());
    if (mask) known.masks.insert(mask);
  }
  return known;
}

}  // namespace tessera
