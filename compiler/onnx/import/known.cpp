// SPDX-License-Identifier: Apache-2.0
// Values that no input of the model has a part in, computed at import where an operation asks for
// them: a Graph keeps most floats as the nodes that make them.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "compiler/onnx/import/call.h"

namespace tessera {
namespace {

constexpr size_t kMostNodes = 4096;

// The nodes that it is made of, operands first; none if an input is among them, or too many.
std::vector<const Node*> made_of(const Node* node) {
  std::vector<const Node*> order, open = {node};
  std::unordered_set<const Node*> seen, done;
  while (!open.empty()) {
    const Node* next = open.back();
    if (next->is(Op::Input) || seen.size() > kMostNodes) return {};
    if (seen.insert(next).second) {
      open.insert(open.end(), next->in.begin(), next->in.end());
      continue;
    }
    open.pop_back();
    if (done.insert(next).second) order.push_back(next);
  }
  return order;
}

int64_t steps_of(const Node& node) {
  const int64_t size = elements(node.type.shape);
  const bool multiplies = node.is(Op::MatMul) || node.is(Op::Attention);
  const int64_t inner = multiplies ? std::max<int64_t>(1, node.in[0]->type.shape.back()) : 1;
  return size > kImportAllowance / inner ? kImportAllowance + 1 : size * inner;
}

}  // namespace

bool Call::is_known(const Node* node) const { return !made_of(node).empty(); }

Expected<Node*> Call::known(Node* node) {
  if (node->is(Op::Constant)) return node;
  const std::vector<const Node*> order = made_of(node);
  if (order.empty() || settled()) return nullptr;
  int64_t steps = 0;
  for (const Node* one : order) {
    steps += steps_of(*one);
    if (steps > kImportAllowance) return nullptr;
  }
  if (!spend(steps)) return nullptr;
  std::unordered_map<const Node*, Array> values;
  for (const Node* one : order) {
    std::vector<Array> operands;
    for (const Node* operand : one->in) operands.push_back(values.at(operand));
    auto value = eval(*one, operands);
    if (!value.ok()) return error("is computed from constants: " + value.error().message);
    value->type = one->type;
    round_to_dtype(*value);
    values[one] = value.take();
  }
  return constant(values.at(node));
}

}  // namespace tessera
