// SPDX-License-Identifier: Apache-2.0
// The model's inputs, and how their variable dimensions become numbers.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "onnx.pb.h"
#include "support/expected.h"
#include "support/type.h"

namespace tessera {

struct ModelInput {
  std::string name;
  TensorType type;  // as the model's nodes read it
  int32_t onnx_type = 0;
  // The graph's input where that is another: [rows,length] of [rows,1,length], choices in a model
  // of multiple choice.
  std::optional<Shape> rows = {};
};

// Inputs that have an initializer are constants and left out. `given` fixes shapes by name; a
// symbolic dimension that one of them fixes is fixed everywhere. Errors are of kind Usage where
// `given` is at fault; a symbol that is given two sizes is only a warning, for models use one name
// for two things. `as_stored`: numbers of 8 bits are i8 and u8, and not i32.
Expected<std::vector<ModelInput>> read_inputs(const ::onnx::GraphProto& graph,
                                              const std::string& path,
                                              const std::map<std::string, Shape>& given,
                                              std::vector<std::string>& warnings,
                                              bool as_stored = false);

// The graph's inputs that have no initializer.
std::vector<const ::onnx::ValueInfoProto*> declared_inputs(const ::onnx::GraphProto& graph);

// Whether the model gives the dimension as a number; others have a symbol, or nothing.
bool has_size(const ::onnx::TensorShapeProto::Dimension& dim);

}  // namespace tessera
