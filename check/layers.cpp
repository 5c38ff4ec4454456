// SPDX-License-Identifier: Apache-2.0
#include "check/layers.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "compiler/convert.h"
#include "ir/interpreter.h"

namespace tessera {
namespace {

bool is_computed(const Node& node) { return !node.is(Op::Input) && !node.is(Op::Constant); }

// Names that the importer or a pass made up may meet; values that took the place of the same ONNX
// node do not differ.
bool is_same(const Node& one, const Node& other) {
  const auto place = [](const Node& node) {
    return node.origin.empty() ? std::string() : node.origin.back();
  };
  return one.type.shape == other.type.shape && place(one) == place(other);
}

// The values of both graphs, and each as an output of its graph under its own name.
std::vector<std::string> make_outputs(Graph& model, Graph& converted) {
  std::unordered_map<std::string, Node*> kept;
  for (const auto& node : converted.nodes())
    if (is_computed(*node)) kept[node->name] = node.get();
  std::vector<std::string> names;
  Outputs of_model, of_converted;
  for (const auto& node : model.nodes()) {
    const auto found = kept.find(node->name);
    if (!is_computed(*node) || found == kept.end()) continue;
    if (!is_same(*node, *found->second) || elements(node->type.shape) == 0) continue;
    names.push_back(node->name);
    of_model.push_back({node->name, node.get()});
    of_converted.push_back({node->name, found->second});
  }
  model.outputs = std::move(of_model);
  converted.outputs = std::move(of_converted);
  return names;
}

LayerError error_of(const std::string& name, const Array& got, const Array& wanted) {
  LayerError error{name};
  for (size_t i = 0; i < wanted.data.size(); ++i) {
    const double difference = std::abs(got.data[i] - wanted.data[i]);
    const bool both_nan = std::isnan(got.data[i]) && std::isnan(wanted.data[i]);
    if (got.data[i] != wanted.data[i] && !both_nan)
      error.largest = std::max(error.largest, std::isnan(difference) ? INFINITY : difference);
    if (std::isfinite(wanted.data[i]))
      error.magnitude = std::max(error.magnitude, std::abs(wanted.data[i]));
  }
  return error;
}

}  // namespace

Expected<Arrays> run_batch(ModelRunner& runner, const Arrays& inputs) {
  std::map<std::string, Tensor> tensors;
  InputViews in;
  for (const Anchor& anchor : runner.executable().metadata.anchors) {
    if (anchor.kind != AnchorKind::Input) continue;
    Array array = inputs.at(anchor.name);
    array.type.dtype = anchor.dtype;
    tensors[anchor.name] = to_tensor(array);
    in[anchor.name] = {anchor.dtype, false, anchor.shape, tensors[anchor.name].bytes()};
  }
  std::map<std::string, std::vector<std::byte>> bytes;
  OutputViews out;
  for (const Anchor& anchor : runner.executable().metadata.anchors) {
    if (anchor.kind != AnchorKind::Output) continue;
    bytes[anchor.name].resize(static_cast<size_t>(TensorType{anchor.dtype, anchor.shape}.bytes()));
    out[anchor.name] = {anchor.dtype, anchor.shape, bytes[anchor.name]};
  }
  TRY(runner.run(in, out));
  Arrays outputs;
  for (const auto& [name, view] : out)
    outputs[name] = to_array(Tensor::copy({view.dtype, view.shape}, bytes[name]));
  return outputs;
}

Expected<std::vector<LayerError>> layer_errors(const std::string& model_path,
                                               const CompileOptions& options,
                                               const MachineOptions& machine, const Graph& graph,
                                               const Arrays& inputs) {
  Graph model = graph.clone();
  Converted converted = TRY(convert(model_path, options));
  const std::vector<std::string> names = make_outputs(model, converted.graph);
  converted.packing = {};
  const std::vector<Array> wanted = TRY(interpret(model, inputs));
  CompileResult compiled = TRY(compile_graph(std::move(converted), options));
  const auto runner = TRY(ModelRunner::create(
      std::make_shared<const Executable>(std::move(compiled.executable)), machine));
  const Arrays got = TRY(run_batch(*runner, inputs));
  std::vector<LayerError> errors;
  for (size_t i = 0; i < names.size(); ++i)
    errors.push_back(error_of(names[i], got.at(names[i]), wanted[i]));
  return errors;
}

}  // namespace tessera
