// SPDX-License-Identifier: Apache-2.0
// Numbers that a mask adds to scores stay within what f16 holds.
//
// Exporters write f32's minimum or -inf for "not this key". In f16 the former is -inf too, and then
// (1 - mask) · -inf is NaN at every real token, and a row of padding alone is NaN in either case.
// -65504 says the same: its exponential is 0.
#include <algorithm>
#include <unordered_set>
#include <vector>

#include "passes/match.h"
#include "passes/passes.h"
#include "support/half.h"

namespace tessera {
namespace {

// The constants that reach a value through views and elementwise nodes.
void collect(Node* from, std::unordered_set<const Node*>& seen, std::vector<Node*>& constants) {
  std::vector<Node*> open{from};
  while (!open.empty()) {
    Node* node = open.back();
    open.pop_back();
    if (!seen.insert(node).second) continue;
    if (node->is(Op::Constant)) constants.push_back(node);
    if (is_view(node) || info(node->op).elementwise)
      open.insert(open.end(), node->in.rbegin(), node->in.rend());
  }
}

bool out_of_range(const Tensor& tensor) {
  if (!is_float(tensor.type().dtype) || !tensor.has_data()) return false;
  for (int64_t i = 0; i < elements(tensor.type().shape); ++i)
    if (std::abs(element(tensor, i)) > kMaxHalf) return true;
  return false;
}

Tensor clamped(const Tensor& tensor) {
  Array array = to_array(tensor);
  for (double& value : array.data) value = std::clamp(value, -double{kMaxHalf}, double{kMaxHalf});
  return to_tensor(array);
}

}  // namespace

Expected<bool> clamp_mask_constants(Graph& graph, PassState&) {
  std::unordered_set<const Node*> seen;
  std::vector<Node*> constants;
  for (const auto& node : graph.nodes()) {
    if (node->is(Op::Softmax)) collect(node->in[0], seen, constants);
    if (node->is(Op::Attention) && node->string_attr("mask") == "bias")
      collect(node->in[3], seen, constants);
  }
  bool changed = false;
  for (Node* constant : constants) {
    if (!out_of_range(constant->value)) continue;
    graph.replace_uses(constant,
                       graph.add_constant(constant->name, clamped(constant->value), constant));
    changed = true;
  }
  return changed;
}

}  // namespace tessera
