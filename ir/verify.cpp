// SPDX-License-Identifier: Apache-2.0
#include "ir/verify.h"

#include <set>
#include <string>
#include <unordered_set>

#include "ir/ops/ops.h"

namespace tessera {
namespace {

Status verify_operands(const Node& node, const std::unordered_set<const Node*>& above) {
  for (size_t i = 0; i < node.in.size(); ++i)
    if (!above.contains(node.in[i]))
      return ops::fail(node, "input " + std::to_string(i) +
                                 " is not above, must stand before its users in the same graph");
  return {};
}

Status verify_type(const Node& node) {
  const TensorType inferred = TRY(infer(node));
  if (node.type != inferred)
    return ops::fail(node, "type is " + to_string(node.type) + ", must be " + to_string(inferred));
  return {};
}

Status verify_constant(const Node& node) {
  if (!node.is(Op::Constant) || node.type.dtype != DType::Bool) return {};
  for (std::byte value : node.value.bytes())
    if (value > std::byte{1})
      return ops::fail(node,
                       "bool is " + std::to_string(static_cast<int>(value)) + ", must be 0 or 1");
  return {};
}

Status verify_inputs(const Graph& graph) {
  std::unordered_set<const Node*> listed(graph.inputs.begin(), graph.inputs.end());
  size_t found = 0;
  for (const auto& node : graph.nodes()) {
    if (!node->is(Op::Input)) continue;
    ++found;
    if (!listed.contains(node.get())) return ops::fail(*node, "must be listed as an input");
  }
  if (found != graph.inputs.size())
    return Error{graph.name + ": lists " + std::to_string(graph.inputs.size()) +
                 " inputs, must list each of its " + std::to_string(found) + " once"};
  return {};
}

Status verify_outputs(const Graph& graph, const std::unordered_set<const Node*>& nodes) {
  std::set<std::string> names;
  for (const Output& output : graph.outputs) {
    if (!nodes.contains(output.node))
      return Error{graph.name + ": output '" + output.name + "' must be a node of the graph"};
    if (!names.insert(output.name).second)
      return Error{graph.name + ": output name '" + output.name + "' is there twice, must be once"};
  }
  return {};
}

}  // namespace

Error without_elements(const Node& node) {
  return Error{node.name + ": is " + to_string(node.type) + ", must have at least 1 element"};
}

Status verify(const Graph& graph) {
  std::unordered_set<const Node*> above;
  std::unordered_set<std::string_view> names;
  above.reserve(graph.nodes().size());
  names.reserve(graph.nodes().size());
  for (const auto& node : graph.nodes()) {
    if (!names.insert(node->name).second)
      return ops::fail(*node, "name is there twice, must be once");
    TRY(verify_operands(*node, above));
    TRY(verify_type(*node));
    TRY(verify_constant(*node));
    above.insert(node.get());
  }
  TRY(verify_inputs(graph));
  return verify_outputs(graph, above);
}

}  // namespace tessera
