// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/export/exported_functions.h"

#include "compiler/onnx/model_file.h"

namespace tessera {

std::string ExportedFunctions::name_of(const Node& node, const std::string& op, WriteBody write) {
  FunctionBody body;
  write(body, node);
  ::onnx::FunctionProto function = body.finish();
  // Import reads the operation by its attributes, which the body holds as numbers.
  for (const auto& [name, value] : node.attrs) function.add_attribute(name);
  function.set_domain(kGraphcoreDomain);
  const auto [known, is_new] = names_.try_emplace(op + function.SerializeAsString());
  if (!is_new) return known->second;
  const int number = ++counts_[op];
  known->second = number == 1 ? op : op + "_" + std::to_string(number);
  function.set_name(known->second);
  functions_.push_back(std::move(function));
  return known->second;
}

void ExportedFunctions::add_to(::onnx::ModelProto& model) const {
  for (const ::onnx::FunctionProto& function : functions_) *model.add_functions() = function;
}

}  // namespace tessera
