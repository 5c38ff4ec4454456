// SPDX-License-Identifier: Apache-2.0
// Reads the names and declared shapes of a model, and imports it at given shapes.
#include "compiler/onnx/import/import.h"
#include "compiler/onnx/import/inputs.h"
#include "compiler/onnx/model_file.h"
#include "compiler/onnx/tensor.h"

namespace tessera {

Expected<ModelNames> model_names(const std::string& path, const Limits& limits) {
  const ModelFile file = TRY(read_model_file(path, limits));
  ModelNames names;
  for (const auto* input : declared_inputs(file.model->graph()))
    names.inputs.push_back(input->name());
  for (const auto& output : file.model->graph().output()) names.outputs.push_back(output.name());
  return names;
}

Expected<std::vector<DeclaredInput>> declared_model_inputs(const std::string& path,
                                                           const Limits& limits) {
  return TRY(OpenModel::open(path, limits)).declared_inputs();
}

Expected<OpenModel> OpenModel::open(const std::string& path, const Limits& limits) {
  return OpenModel(std::make_shared<const ModelFile>(TRY(read_model_file(path, limits))));
}

std::vector<DeclaredInput> OpenModel::declared_inputs() const {
  std::vector<DeclaredInput> inputs;
  for (const auto* input : tessera::declared_inputs(file_->model->graph())) {
    const auto& type = input->type().tensor_type();
    Shape shape;
    for (const auto& dim : type.shape().dim())
      shape.push_back(dim.has_dim_value() && dim.dim_value() >= 0 ? dim.dim_value() : -1);
    inputs.push_back({input->name(), caller_type_name(type.elem_type()), shape});
  }
  return inputs;
}

}  // namespace tessera
