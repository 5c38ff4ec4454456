// SPDX-License-Identifier: Apache-2.0
#include "passes/scales.h"

#include "passes/match.h"

namespace tessera {
namespace {

bool is_sum_of_bytes(const Node* node) {
  for (int i = 0; i < kFarthest && node->is(Op::Reshape); ++i) node = node->in[0];
  if (!node->is(Op::Cast) || !is_float(node->type.dtype)) return false;
  node = node->in[0];
  for (int i = 0; i < kFarthest && node->is(Op::Reshape); ++i) node = node->in[0];
  return node->is(Op::MatMulInteger);
}

bool uses_scale(const Node* node) {
  return node->is(Op::Quantize) || node->is(Op::Dequantize) || is_scaled_product(node);
}

bool measures(const Node* node) { return node->is(Op::RowEnds) || node->is(Op::SegmentMax); }

// The operand that is multiplied or divided by the scale.
bool is_scaled(const Node* user, size_t operand) {
  if (!is_scaled_product(user)) return operand == 0;
  return is_sum_of_bytes(user->in[operand]);
}

}  // namespace

bool is_scaled_product(const Node* node) {
  if (!node->is(Op::Mul) || node->type.dtype != DType::F32) return false;
  return is_sum_of_bytes(node->in[0]) || is_sum_of_bytes(node->in[1]);
}

std::unordered_set<const Node*> find_scales(const Graph& graph) {
  std::unordered_set<const Node*> found, asked;
  for (const auto& node : graph.nodes()) {
    bool is_made = measures(node.get());
    for (const Node* in : node->in) is_made = is_made || (found.contains(in) && !uses_scale(in));
    if (is_made || uses_scale(node.get())) found.insert(node.get());
  }
  for (auto at = graph.nodes().rbegin(); at != graph.nodes().rend(); ++at) {
    const Node* node = at->get();
    const bool is_asked = asked.contains(node);
    if (is_asked) found.insert(node);
    if (!uses_scale(node) && (!is_asked || measures(node))) continue;
    for (size_t i = 0; i < node->in.size(); ++i)
      if (!uses_scale(node) || !is_scaled(node, i)) asked.insert(node->in[i]);
  }
  // The sums as floats in an is_scaled_product are f32 too.
  for (const auto& node : graph.nodes())
    if (is_scaled_product(node.get()))
      for (const Node* in : node->in) found.insert(in);
  return found;
}

}  // namespace tessera
