// SPDX-License-Identifier: Apache-2.0
#include "compiler/lower/lower.h"

#include <algorithm>

#include "compiler/lower/state.h"
#include "support/check.h"

namespace tessera {
namespace {

// A concat may be given nothing by some operand; nothing else has a use for no elements.
Status check_elements(const Graph& graph) {
  const auto refuse = [](const Node& node) {
    return Error{node.name + ": is " + to_string(node.type) + ", must have at least 1 element"};
  };
  for (const auto& node : graph.nodes()) {
    if (node->is(Op::Input) && elements(node->type.shape) == 0) return refuse(*node);
    if (node->is(Op::Constant) && !node->value.has_data()) {
      return Error{node->name + ": constant has no data, must have it to be compiled"};
    }
    if (node->is(Op::Concat) || elements(node->type.shape) == 0) continue;
    for (const Node* operand : node->in) {
      if (elements(operand->type.shape) == 0) return refuse(*operand);
    }
  }
  for (const Output& output : graph.outputs) {
    if (elements(output.node->type.shape) == 0) return refuse(*output.node);
  }
  return {};
}

void lower_node(Lowering& lowering, const Node& node) {
  if (const auto chain = lowering.fusion.matmuls.find(&node);
      chain != lowering.fusion.matmuls.end()) {
    return lower_matmul(lowering, chain->second);
  }
  if (const auto group = lowering.fusion.tapes.find(&node); group != lowering.fusion.tapes.end()) {
    return lower_elementwise(lowering, group->second);
  }
  switch (node.op) {
    case Op::Transpose: return lower_transpose(lowering, node);
    case Op::Slice: return lower_slice(lowering, node);
    case Op::Concat: return lower_concat(lowering, node);
    case Op::Gather: return lower_gather(lowering, node);
    case Op::ReduceSum:
    case Op::ReduceMax: return lower_reduce(lowering, node);
    case Op::CumSum: return lower_cumsum(lowering, node);
    case Op::Softmax: return lower_softmax(lowering, node);
    case Op::LayerNorm:
    case Op::RmsNorm: return lower_norm(lowering, node);
    case Op::Rotary: return lower_rotary(lowering, node);
    case Op::Attention: return lower_attention(lowering, node);
    case Op::Pack: return lower_pack(lowering, node);
    case Op::Unpack: return lower_unpack(lowering, node);
    default: CHECK(false);  // lazy, a matmul or elementwise: seen above
  }
}

}  // namespace

std::map<std::string, int64_t> index_limits(const Graph& graph) {
  std::map<std::string, int64_t> limits;
  for (const auto& node : graph.nodes()) {
    if (!node->is(Op::Gather)) continue;
    const Node* indices = node->in[1];
    while (indices->is(Op::Reshape)) indices = indices->in[0];
    if (!indices->is(Op::Input)) continue;
    const auto axis = static_cast<size_t>(node->int_attr("axis"));
    const int64_t rows = node->in[0]->type.shape[axis];
    const auto [limit, is_new] = limits.emplace(indices->name, rows);
    if (!is_new) limit->second = std::min(limit->second, rows);
  }
  return limits;
}

Expected<Lowered> lower(const Graph& graph, const CompileOptions& options) {
  TRY(check_elements(graph));
  Lowering lowering(graph, options);
  for (const auto& node : graph.nodes()) {
    if (Lowering::is_lazy(node.get()) || lowering.fusion.absorbed.contains(node.get())) continue;
    if (elements(node->type.shape) > 0) lower_node(lowering, *node);
  }
  lowering.finish_outputs();
  return Lowered{std::move(lowering.program), std::move(lowering.constants)};
}

}  // namespace tessera
