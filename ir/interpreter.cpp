// SPDX-License-Identifier: Apache-2.0
#include "ir/interpreter.h"

#include <unordered_map>

#include "ir/ops/ops.h"
#include "support/check.h"

namespace tessera {
namespace {

// Beyond this an Array alone is 2 GiB: a graph to compile, not to interpret.
constexpr int64_t kMaxInterpreted = int64_t{1} << 28;

Expected<Array> take_input(const Node& node, const std::map<std::string, Array>& inputs) {
  const auto found = inputs.find(node.name);
  if (found == inputs.end()) return ops::fail(node, "is missing, must be given");
  Array array = found->second;
  if (array.type != node.type)
    return ops::fail(node, "is " + to_string(array.type) + ", must be " + to_string(node.type));
  CHECK(static_cast<int64_t>(array.data.size()) == elements(array.type.shape));
  return array;
}

Expected<Array> evaluate(const Node& node, const std::map<std::string, Array>& inputs,
                         std::unordered_map<const Node*, Array>& values,
                         std::unordered_map<const Node*, int>& uses) {
  if (elements(node.type.shape) > kMaxInterpreted)
    return ops::fail(node, "is " + to_string(node.type) + ", must have at most " +
                               std::to_string(kMaxInterpreted) + " elements to be interpreted");
  if (node.is(Op::Input)) return take_input(node, inputs);
  std::vector<Array> operands;
  for (const Node* operand : node.in) {
    const bool last_use = --uses[operand] == 0;
    operands.push_back(last_use ? std::move(values[operand]) : values[operand]);
  }
  return eval(node, operands);
}

}  // namespace

Expected<std::vector<Array>> interpret(const Graph& graph,
                                       const std::map<std::string, Array>& inputs) {
  std::unordered_map<const Node*, Array> values;
  std::unordered_map<const Node*, int> uses = graph.use_counts();
  for (const auto& node : graph.nodes()) {
    Array value = TRY(evaluate(*node, inputs, values, uses));
    round_to_dtype(value);
    values[node.get()] = std::move(value);
  }
  std::vector<Array> results;
  for (const Output& output : graph.outputs) results.push_back(values[output.node]);
  return results;
}

}  // namespace tessera
