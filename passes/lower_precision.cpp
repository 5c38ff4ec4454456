// SPDX-License-Identifier: Apache-2.0
// Every f32 value becomes f16, and the model keeps its interface: f32 inputs are cast on the way
// in, f32 outputs on the way out.
//
// f16 is stored, exchanged and multiplied; sums and the statistics of a layer norm are f32 inside
// their codelets whatever this pass does. A weight beyond f16's range becomes its largest number
// rather than infinity.
#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "passes/match.h"
#include "passes/passes.h"
#include "support/half.h"

namespace tessera {
namespace {

Tensor halved(const Tensor& tensor) {
  const std::span bytes = tensor.bytes();
  std::vector<float> floats(bytes.size() / sizeof(float));
  std::memcpy(floats.data(), bytes.data(), bytes.size());
  for (float& value : floats) value = std::clamp(value, -kMaxHalf, kMaxHalf);
  std::vector<uint16_t> halves(floats.size());
  to_half(floats, halves);
  return Tensor::copy({DType::F16, tensor.type().shape}, std::as_bytes(std::span(halves)));
}

Node* put_cast(Graph& graph, const Node* before, Node* value, DType to) {
  const Attr name = std::string(to_string(to));
  return put(graph, before, value, Op::Cast,
             {
                 value
  },
             {{"to", name}});
}

void cast_inputs(Graph& graph) {
  const Node* first = nullptr;
  for (const auto& node : graph.nodes())
    if (!first && !node->is(Op::Input)) first = node.get();
  for (Node* input : graph.inputs) {
    if (input->type.dtype != DType::F32) continue;
    Node* half = put_cast(graph, first, input, DType::F16);
    graph.replace_uses(input, half);
    half->in[0] = input;
  }
}

// Operands come first, so each node infers from types that are right already.
Status retype(Node* node) {
  if (node->is(Op::Cast) && node->string_attr("to") == "f32")
    node->attrs["to"] = std::string(to_string(DType::F16));
  node->type = TRY(infer(*node));
  return {};
}

}  // namespace

Expected<bool> lower_precision(Graph& graph, PassState&) {
  std::vector<size_t> f32_outputs;
  for (size_t i = 0; i < graph.outputs.size(); ++i)
    if (graph.outputs[i].node->type.dtype == DType::F32) f32_outputs.push_back(i);
  std::vector<Node*> constants;
  for (const auto& node : graph.nodes())
    if (node->is(Op::Constant) && node->type.dtype == DType::F32) constants.push_back(node.get());

  cast_inputs(graph);
  for (Node* constant : constants) {
    if (!constant->value.has_data())
      return Error{called(*constant) + ": has no data, must have some to become f16"};
    constant->value = halved(constant->value);
    constant->type = constant->value.type();
  }
  for (const auto& node : graph.nodes())
    if (!node->is(Op::Input) && !node->is(Op::Constant)) TRY(retype(node.get()));
  for (size_t i : f32_outputs)
    graph.outputs[i].node = put_cast(graph, nullptr, graph.outputs[i].node, DType::F32);
  return true;
}

}  // namespace tessera
