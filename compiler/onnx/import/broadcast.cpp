// SPDX-License-Identifier: Apache-2.0
// ONNX broadcasts in silence, the Graph never does: here each stretched operand gets a node that
// says so.
#include <algorithm>
#include <span>

#include "compiler/onnx/import/call.h"
#include "compiler/onnx/model_file.h"

namespace tessera {
namespace {

std::string listed(const std::vector<Node*>& nodes) {
  constexpr size_t kMostListed = 16;
  std::string text;
  for (const Node* node : std::span(nodes).first(std::min(nodes.size(), kMostListed)))
    text += (text.empty() ? "" : node == nodes.back() ? " and " : ", ") + to_string(node->type);
  return nodes.size() > kMostListed ? text + " …" : text;
}

// The shape that all broadcast to: aligned at the last axis, a 1 gives way to any size.
bool common_shape(const std::vector<Node*>& nodes, Shape& common) {
  for (const Node* node : nodes) {
    const Shape& shape = node->type.shape;
    if (shape.size() > common.size())
      common.insert(common.begin(), shape.size() - common.size(), 1);
    const size_t offset = common.size() - shape.size();
    for (size_t i = 0; i < shape.size(); ++i) {
      int64_t& there = common[offset + i];
      if (there == 1) there = shape[i];
      if (shape[i] != 1 && shape[i] != there) return false;
    }
  }
  return true;
}

}  // namespace

Expected<Node*> add_stretched(Graph& graph, const ::onnx::ValueInfoProto& info, Node* from) {
  Shape shape;
  for (const auto& dim : info.type().tensor_type().shape().dim()) shape.push_back(dim.dim_value());
  const std::string here = "value '" + printable(info.name()) + "': ";
  if (!from || !is_valid_shape(shape))
    return Error{here +
                 "stretches a value that is not there, or too far: must be of a value above"};
  const auto added = graph.add(Op::Broadcast, info.name(), {from}, with("shape", shape));
  if (!added.ok()) return Error{here + added.error().message};
  (*added)->origin = {info.name()};
  return added;
}

Expected<Node*> Call::broadcast(Node* node, const Shape& shape) {
  if (node->type.shape == shape) return node;
  const auto there = context_.stretched.find({node, shape});
  if (there != context_.stretched.end()) return there->second;
  return add(Op::Broadcast, {node}, with("shape", shape));
}

Expected<std::vector<Node*>> Call::broadcast_together(std::vector<Node*> nodes) {
  Shape common;
  if (!common_shape(nodes, common))
    return error("inputs are " + listed(nodes) + ", which must broadcast to one shape");
  if (!is_valid_shape(common))
    return error("inputs are " + listed(nodes) + ", which broadcast to too large a shape");
  for (Node*& node : nodes) node = TRY(broadcast(node, common));
  return nodes;
}

Expected<Node*> Call::add_broadcast(Op op, std::vector<Node*> in) {
  return add(op, TRY(broadcast_together(std::move(in))));
}

Status Call::result_broadcast(Op op, std::vector<Node*> in) {
  return result(op, TRY(broadcast_together(std::move(in))));
}

}  // namespace tessera
