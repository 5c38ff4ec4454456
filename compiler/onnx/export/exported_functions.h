// SPDX-License-Identifier: Apache-2.0
// The functions of a model that is written: a body for each operation of domain ai.graphcore, which
// operations that compute the same share.
//
// A function is found by its name alone, so the first body of an operation has the operation's
// name, and others have a number behind it: Attention, Attention_2. graph_op_of (model_file.h)
// leads back.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compiler/onnx/export/function_body.h"

namespace tessera {

class ExportedFunctions {
 public:
  // The name of the function that says what `node` computes: `op`, or that with a number.
  std::string name_of(const Node& node, const std::string& op, WriteBody write);
  // In the order in which they were asked for.
  void add_to(::onnx::ModelProto& model) const;

 private:
  std::vector<::onnx::FunctionProto> functions_;
  std::map<std::string, std::string> names_;  // by the body's bytes
  std::map<std::string, int> counts_;         // by the operation
};

}  // namespace tessera
