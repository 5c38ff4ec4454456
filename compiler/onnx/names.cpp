// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/names.h"

#include "compiler/onnx/model_file.h"
#include "support/plain_text.h"

namespace tessera {
namespace {

constexpr size_t kLongestName = 2048;

Status check_name(const std::string& name, const char* of, const std::string& path) {
  const std::string where = path + ": " + of + " '" + visible(name.substr(0, 64)) + "': its name ";
  if (name.size() > kLongestName)
    return Error{where + "has " + std::to_string(name.size()) + " bytes, must have at most " +
                 std::to_string(kLongestName)};
  if (!is_plain_text(name)) return Error{where + "must be UTF-8 without control characters"};
  return {};
}

Status check_node(const ::onnx::NodeProto& node, const std::string& path) {
  TRY(check_name(node.name(), "node", path));
  TRY(check_name(node.op_type(), "operation", path));
  for (const std::string& name : node.input()) TRY(check_name(name, "value", path));
  for (const std::string& name : node.output()) TRY(check_name(name, "value", path));
  for (const auto& attribute : node.attribute())
    if (attribute.has_g()) TRY(check_names(attribute.g(), path));
  return {};
}

}  // namespace

Status check_names(const ::onnx::GraphProto& graph, const std::string& path) {
  TRY(check_name(graph.name(), "graph", path));
  for (const auto& input : graph.input()) TRY(check_name(input.name(), "input", path));
  for (const auto& output : graph.output()) TRY(check_name(output.name(), "output", path));
  for (const auto& tensor : graph.initializer()) TRY(check_name(tensor.name(), "tensor", path));
  for (const auto& tensor : graph.sparse_initializer())
    TRY(check_name(tensor.values().name(), "tensor", path));
  for (const auto& node : graph.node()) TRY(check_node(node, path));
  return {};
}

}  // namespace tessera
