// SPDX-License-Identifier: Apache-2.0
#include "passes/floats.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <unordered_set>
#include <vector>

#include "passes/match.h"
#include "support/half.h"

namespace tessera {
namespace {

Tensor halved(const Tensor& tensor) {
  const std::span bytes = tensor.bytes();
  std::vector<float> floats(bytes.size() / sizeof(float));
  std::ranges::copy(bytes, std::as_writable_bytes(std::span(floats)).begin());
  std::vector<uint16_t> halves(floats.size());
  to_half(floats, halves);
  return Tensor::copy({DType::F16, tensor.type().shape}, std::as_bytes(std::span(halves)));
}

Tensor widened(const Tensor& tensor) {
  std::vector<float> floats;
  for (int64_t i = 0; i < elements(tensor.type().shape); ++i)
    floats.push_back(static_cast<float>(element(tensor, i)));
  return Tensor::copy({DType::F32, tensor.type().shape}, std::as_bytes(std::span(floats)));
}

Node* put_cast(Graph& graph, const Node* before, Node* value, DType to) {
  std::map<std::string, Attr> attrs;
  attrs.emplace("to", std::string(to_string(to)));
  return put(graph, before, value, Op::Cast, {value}, attrs);
}

using Nodes = std::unordered_set<const Node*>;

// An output that is an input has nothing to be cast for.
void cast_inputs(Graph& graph, DType from, DType to, const Nodes& kept) {
  const Node* first = graph.first_inside();
  for (Node* input : graph.inputs) {
    if (input->type.dtype != from) continue;
    Node* inside = nullptr;
    for (Node* user : graph.users(input)) {
      if (kept.contains(user)) continue;
      if (!inside) inside = put_cast(graph, first, input, to);
      for (size_t i = 0; i < user->in.size(); ++i)
        if (user->in[i] == input) graph.set_operand(user, i, inside);
    }
  }
}

Status change_constant(Node* constant, DType to) {
  if (!constant->value.has_data())
    return Error{called(*constant) + ": has no data, must have some to change precision"};
  constant->value = to == DType::F16 ? halved(constant->value) : widened(constant->value);
  constant->type = constant->value.type();
  return {};
}

// Operands come first, so each node infers from types that are right already. A cast between the
// two has nothing left to do.
Status change_node(Graph& graph, Node* node, DType from, DType to) {
  if (node->is(Op::Cast) && node->string_attr("to") == to_string(from))
    node->attrs["to"] = std::string(to_string(to));
  node->type = TRY(infer(*node));
  if (node->is(Op::Cast) && node->type == node->in[0]->type) graph.replace_uses(node, node->in[0]);
  return {};
}

// The operand of a kept node: of a constant that others read too, a copy that keeps its bits.
Node* operand_kept(Graph& graph, Node* user, Node* operand, DType from, Nodes& kept) {
  if (operand->type.dtype != from || kept.contains(operand) || operand->is(Op::Input))
    return operand;
  Node* own = operand->is(Op::Constant) ? graph.add_constant(operand->name, operand->value, user)
                                        : put_cast(graph, user, operand, from);
  kept.insert(own);
  return own;
}

// Other nodes see a cast of a kept one.
void cast_result(Graph& graph, Node* node, DType to, const Nodes& kept) {
  Node* narrow = nullptr;
  for (Node* user : graph.users(node)) {
    if (kept.contains(user)) continue;
    if (!narrow) narrow = put_cast(graph, nullptr, node, to);
    for (size_t i = 0; i < user->in.size(); ++i)
      if (user->in[i] == node) graph.set_operand(user, i, narrow);
  }
}

// Casts around the nodes that stay in `from`. Adds what they read to `kept`.
void set_apart(Graph& graph, DType from, DType to, Nodes& kept) {
  std::vector<Node*> found;
  for (const auto& node : graph.nodes())
    if (kept.contains(node.get())) found.push_back(node.get());
  for (Node* node : found)
    for (size_t i = 0; i < node->in.size(); ++i)
      graph.set_operand(node, i, operand_kept(graph, node, node->in[i], from, kept));
  for (Node* node : found)
    if (node->type.dtype == from) cast_result(graph, node, to, kept);
  graph.sort();
}

}  // namespace

Status change_floats(Graph& graph, DType from, DType to, Nodes kept) {
  std::vector<size_t> outputs;
  for (size_t i = 0; i < graph.outputs.size(); ++i)
    if (graph.outputs[i].node->type.dtype == from) outputs.push_back(i);
  // An output that is a constant is one as it stands.
  for (size_t i : outputs)
    if (graph.outputs[i].node->is(Op::Constant)) kept.insert(graph.outputs[i].node);
  if (!kept.empty()) set_apart(graph, from, to, kept);
  // An input that is an output is not rounded on its way.
  std::vector<std::pair<size_t, Node*>> handed_on;
  for (size_t i : outputs)
    if (graph.outputs[i].node->is(Op::Input)) handed_on.emplace_back(i, graph.outputs[i].node);
  cast_inputs(graph, from, to, kept);
  for (const auto& [i, input] : handed_on) graph.outputs.set(i, input);
  for (const auto& node : graph.nodes()) {
    if (node->is(Op::Input) || kept.contains(node.get())) continue;
    if (!node->is(Op::Constant))
      TRY(change_node(graph, node.get(), from, to));
    else if (node->type.dtype == from)
      TRY(change_constant(node.get(), to));
  }
  for (size_t i : outputs) {
    Node* value = graph.outputs[i].node;
    if (value->type.dtype != from) graph.outputs.set(i, put_cast(graph, nullptr, value, from));
  }
  return {};
}

double step_of(DType dtype) { return std::ldexp(1.0, dtype == DType::F16 ? -10 : -23); }

}  // namespace tessera
