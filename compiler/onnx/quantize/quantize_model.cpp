// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/quantize/quantize_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "compiler/onnx/model_file.h"
#include "compiler/onnx/model_writer.h"
#include "compiler/onnx/tensor.h"
#include "support/nearest.h"

namespace tessera {
namespace {

using ::onnx::GraphProto;
using ::onnx::ModelProto;
using ::onnx::NodeProto;
using ::onnx::TensorProto;

constexpr int64_t kMostTerms = INT32_MAX / (255 * 255);

const std::string& name_of(const NodeProto& node) {
  return node.name().empty() ? node.output(0) : node.name();
}

int64_t int_attribute(const NodeProto& node, const std::string& name) {
  for (const auto& attribute : node.attribute())
    if (attribute.name() == name) return attribute.i();
  return 0;
}

float float_attribute(const NodeProto& node, const std::string& name) {
  for (const auto& attribute : node.attribute())
    if (attribute.name() == name) return attribute.f();
  return 1;
}

// [terms,columns] by rows.
struct Weight {
  int64_t terms = 0, columns = 0;
  std::vector<float> values;
};

class Quantizer {
 public:
  Quantizer(const ModelFile& file, const Limits& limits)
      : file_(file),
        reader_(file.path, file.model, limits),
        external_(file.path, limits.trusted_folders) {
    for (const TensorProto& tensor : file.model->graph().initializer())
      initializers_[tensor.name()] = &tensor;
  }

  Status check_opset() const {
    if (file_.opset >= 11) return {};
    return Error{file_.path + ": is of opset " + std::to_string(file_.opset) +
                 ", must be of 11 or more to be quantized"};
  }

  std::vector<WeightedMatmul> found() const {
    std::vector<WeightedMatmul> all;
    for (const NodeProto& node : file_.model->graph().node())
      if (const auto matmul = weighted(node)) all.push_back(*matmul);
    return all;
  }

  Expected<std::vector<WeightedMatmul>> write(const std::string& to,
                                              const QuantizeOptions& options) {
    TRY(check_names(options.skip));
    // DequantizeLinear takes a scale for each column since opset 13.
    by_column_ = options.by != QuantizedBy::Ends || file_.opset >= 13;
    ModelProto model = *file_.model;
    GraphProto& graph = *model.mutable_graph();
    out_ = &graph;
    std::vector<NodeProto> nodes(graph.node().begin(), graph.node().end());
    graph.clear_node();
    std::vector<WeightedMatmul> quantized;
    for (const NodeProto& node : nodes) {
      const auto matmul = weighted(node);
      const bool skips =
          !matmul || options.skip.contains(matmul->node) || options.skip.contains(matmul->output);
      if (skips) {
        *graph.add_node() = node;
        continue;
      }
      TRY(quantize(node, *matmul, options));
      quantized.push_back(*matmul);
    }
    if (quantized.empty())
      return Error{file_.path + ": has no MatMul or Gemm by a float32 initializer that is not " +
                   "skipped, must have one to be quantized"};
    drop_unused(graph);
    TRY(take_in_external_data(graph));
    TRY(write_model(to, model, {}));
    return quantized;
  }

  Status watch(const std::string& to, const std::set<std::string>& values) {
    ModelProto model = *file_.model;
    GraphProto& graph = *model.mutable_graph();
    std::set<std::string> missing = values;
    for (const auto& output : graph.output()) missing.erase(output.name());
    for (const std::string& name : missing) graph.add_output()->set_name(name);
    TRY(take_in_external_data(graph));
    return write_model(to, model, {});
  }

 private:
  std::optional<WeightedMatmul> weighted(const NodeProto& node) const {
    const bool gemm = node.op_type() == "Gemm";
    if (!node.domain().empty() || (node.op_type() != "MatMul" && !gemm)) return std::nullopt;
    if (node.input_size() < 2) return std::nullopt;
    const auto found = initializers_.find(node.input(1));
    if (found == initializers_.end() || initializers_.contains(node.input(0))) return std::nullopt;
    const TensorProto& weight = *found->second;
    if (weight.data_type() != TensorProto::FLOAT || weight.dims_size() != 2) return std::nullopt;
    if (gemm && (int_attribute(node, "transA") != 0 || float_attribute(node, "alpha") != 1 ||
                 float_attribute(node, "beta") != 1))
      return std::nullopt;
    const bool transposed = gemm && int_attribute(node, "transB") != 0;
    const int64_t terms = weight.dims(transposed ? 1 : 0),
                  columns = weight.dims(transposed ? 0 : 1);
    if (terms < 1 || terms > kMostTerms || columns < 1) return std::nullopt;
    return WeightedMatmul{name_of(node), node.input(0), node.output(0), terms, columns};
  }

  Status check_names(const std::set<std::string>& names) const {
    std::vector<std::string> known;
    for (const WeightedMatmul& matmul : found()) {
      known.push_back(matmul.node);
      known.push_back(matmul.output);
    }
    for (const std::string& name : names) {
      if (std::ranges::find(known, name) != known.end()) continue;
      std::string what = "skip: there is no matmul by a weight '" + printable(name) + "'";
      if (!known.empty()) what += ", the nearest is '" + nearest_name(name, known) + "'";
      return Error{what, ErrorKind::Usage};
    }
    return {};
  }

  Expected<Weight> weight_of(const NodeProto& node, const WeightedMatmul& matmul) {
    const auto read = reader_.read(*initializers_.at(node.input(1)));
    if (!read.ok()) return Error{file_.path + ": " + read.error().message, read.error().kind};
    Weight weight{matmul.terms, matmul.columns, {}};
    weight.values.resize(static_cast<size_t>(matmul.terms * matmul.columns));
    const bool transposed = node.op_type() == "Gemm" && int_attribute(node, "transB") != 0;
    std::vector<float> given(weight.values.size());
    std::memcpy(given.data(), read->tensor.bytes().data(), given.size() * sizeof(float));
    if (!transposed) {
      weight.values = std::move(given);
      return weight;
    }
    for (int64_t k = 0; k < weight.terms; ++k)
      for (int64_t n = 0; n < weight.columns; ++n)
        weight.values[static_cast<size_t>(k * weight.columns + n)] =
            given[static_cast<size_t>(n * weight.terms + k)];
    return weight;
  }

  // Its bytes and their scales as initializers: `name`_quantized and `name`_scale.
  Status add_weight(const std::string& name, const Weight& weight) {
    if (!weights_.insert(name).second) return {};
    std::vector<float> scales(static_cast<size_t>(weight.columns), 0);
    for (size_t i = 0; i < weight.values.size(); ++i) {
      if (!std::isfinite(weight.values[i]))
        return Error{file_.path + ": weight '" + printable(name) +
                     "' holds a number that is not finite, must not to be quantized: skip it"};
      float& most = scales[i % scales.size()];
      most = std::max(most, std::abs(weight.values[i]));
    }
    if (!by_column_) std::ranges::fill(scales, *std::ranges::max_element(scales));
    for (float& scale : scales) scale = scale == 0 ? 1 : scale / 127;
    std::string bytes(weight.values.size(), '\0');
    for (size_t i = 0; i < weight.values.size(); ++i) {
      const float whole = std::nearbyint(weight.values[i] / scales[i % scales.size()]);
      bytes[i] = static_cast<char>(static_cast<int8_t>(std::clamp(whole, -127.0F, 127.0F)));
    }
    TensorProto& quantized = *out_->add_initializer();
    quantized.set_name(name + "_quantized");
    quantized.set_data_type(TensorProto::INT8);
    quantized.add_dims(weight.terms);
    quantized.add_dims(weight.columns);
    quantized.set_raw_data(bytes);
    if (by_column_)
      add_floats(name + "_scale", scales, {weight.columns});
    else
      add_floats(name + "_scale", {scales[0]}, {});
    return {};
  }

  void add_floats(const std::string& name, const std::vector<float>& values,
                  const std::vector<int64_t>& dims) {
    TensorProto& tensor = *out_->add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(TensorProto::FLOAT);
    for (const int64_t dim : dims) tensor.add_dims(dim);
    tensor.set_raw_data(
        std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
  }

  void add_zero(const std::string& name, TensorProto::DataType type, int64_t value) {
    TensorProto& tensor = *out_->add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(type);
    tensor.set_raw_data(std::string(1, static_cast<char>(value)));
  }

  NodeProto& add_node(const std::string& op, const std::vector<std::string>& inputs,
                      const std::vector<std::string>& outputs) {
    NodeProto& node = *out_->add_node();
    node.set_op_type(op);
    node.set_name(outputs[0] + "_node");
    for (const std::string& name : inputs) node.add_input(name);
    for (const std::string& name : outputs) node.add_output(name);
    return node;
  }

  // The numbers 127 and 1, and the zero point 0, once.
  void add_constants() {
    if (!weights_.insert("tessera_int8").second) return;
    add_floats("tessera_int8_most", {127}, {});
    add_floats("tessera_int8_least", {1e-20F}, {});
    add_floats("tessera_int8_one", {1}, {});
    add_zero("tessera_int8_zero", TensorProto::INT8, 0);
  }

  // Makes X_bytes, X_scale and X_zero of the input of matmuls, once.
  Status quantize_input(const std::string& x, const QuantizeOptions& options) {
    if (!inputs_.insert(x).second) return {};
    if (options.by == QuantizedBy::Tensor) {
      add_node("DynamicQuantizeLinear", {x}, {x + "_bytes", x + "_scale", x + "_zero"});
      return {};
    }
    if (options.by == QuantizedBy::Ends) return quantize_by_ends(x, options);
    add_constants();
    add_node("Abs", {x}, {x + "_size"});
    std::vector<std::string> of = {x + "_size"};
    if (file_.opset >= 18) {
      if (weights_.insert("tessera_int8_axes").second) {
        TensorProto axes = int64_tensor({-1});
        axes.set_name("tessera_int8_axes");
        *out_->add_initializer() = std::move(axes);
      }
      of.emplace_back("tessera_int8_axes");
    }
    NodeProto& most = add_node("ReduceMax", of, {x + "_most"});
    set_attribute(most, "keepdims", int64_t{1});
    if (file_.opset < 18) set_attribute(most, "axes", std::vector<int64_t>{-1});
    add_node("Div", {x + "_most", "tessera_int8_most"}, {x + "_any_scale"});
    add_node("Max", {x + "_any_scale", "tessera_int8_least"}, {x + "_scale"});
    add_node("Div", {x, x + "_scale"}, {x + "_scaled"});
    add_node("QuantizeLinear", {x + "_scaled", "tessera_int8_one", "tessera_int8_zero"},
             {x + "_bytes"});
    return {};
  }

  // 0 is one of the numbers.
  Status quantize_by_ends(const std::string& x, const QuantizeOptions& options) {
    const auto found = options.ends.find(x);
    if (found == options.ends.end())
      return Error{file_.path + ": value '" + printable(x) +
                   "' was not seen in the calibration, must have a range"};
    const double low = std::min(0.0, found->second.low), high = std::max(0.0, found->second.high);
    const double width = high - low;
    const double scale = width > 0 && std::isfinite(width) ? width / 255 : 1;
    add_floats(x + "_scale", {static_cast<float>(scale)}, {});
    add_zero(x + "_zero", TensorProto::UINT8,
             static_cast<int64_t>(std::clamp(std::nearbyint(-low / scale), 0.0, 255.0)));
    add_node("QuantizeLinear", {x, x + "_scale", x + "_zero"}, {x + "_bytes"});
    add_node("DequantizeLinear", {x + "_bytes", x + "_scale", x + "_zero"}, {x + "_dequantized"});
    return {};
  }

  Status quantize(const NodeProto& node, const WeightedMatmul& matmul,
                  const QuantizeOptions& options) {
    const std::string &x = matmul.input, &w = node.input(1);
    const std::string suffix =
        node.op_type() == "Gemm" && int_attribute(node, "transB") != 0 ? "_turned" : "";
    TRY(add_weight(w + suffix, TRY(weight_of(node, matmul))));
    TRY(quantize_input(x, options));
    const bool has_bias = node.input_size() > 2 && !node.input(2).empty();
    const std::string y = has_bias ? node.output(0) + "_without_bias" : node.output(0);
    const std::string bytes = w + suffix + "_quantized", scale = w + suffix + "_scale";
    if (options.by == QuantizedBy::Ends) {
      if (weights_.insert(w + suffix + "_dequantized").second) {
        NodeProto& weight =
            add_node("DequantizeLinear", {bytes, scale}, {w + suffix + "_dequantized"});
        if (by_column_) set_attribute(weight, "axis", int64_t{1});
      }
      add_node("MatMul", {x + "_dequantized", w + suffix + "_dequantized"}, {y});
    } else {
      std::vector<std::string> factors = {x + "_bytes", bytes};
      if (options.by == QuantizedBy::Tensor) factors.push_back(x + "_zero");
      add_node("MatMulInteger", factors, {y + "_sum"});
      set_attribute(add_node("Cast", {y + "_sum"}, {y + "_float"}), "to",
                    int64_t{TensorProto::FLOAT});
      add_node("Mul", {x + "_scale", scale}, {y + "_sum_scale"});
      add_node("Mul", {y + "_float", y + "_sum_scale"}, {y});
    }
    out_->mutable_node(out_->node_size() - 1)->set_name(matmul.node);
    if (has_bias) add_node("Add", {y, node.input(2)}, {node.output(0)});
    return {};
  }

  // The new file may stand elsewhere than what the old one names.
  Status take_in_external_data(GraphProto& graph) {
    for (TensorProto& tensor : *graph.mutable_initializer()) {
      if (tensor.data_location() != TensorProto::EXTERNAL) continue;
      const auto region = external_.region(tensor);
      if (!region.ok())
        return Error{file_.path + ": " + region.error().message, region.error().kind};
      tensor.set_raw_data(
          std::string(reinterpret_cast<const char*>(region->bytes.data()), region->bytes.size()));
      tensor.clear_external_data();
      tensor.clear_data_location();
    }
    return {};
  }

  // Weights that nothing reads any more.
  static void drop_unused(GraphProto& graph) {
    std::set<std::string> read;
    const auto note = [&](const auto& self, const GraphProto& of) -> void {
      for (const NodeProto& node : of.node()) {
        read.insert(node.input().begin(), node.input().end());
        for (const auto& attribute : node.attribute())
          if (attribute.has_g()) self(self, attribute.g());
      }
      for (const auto& output : of.output()) read.insert(output.name());
    };
    note(note, graph);
    auto& all = *graph.mutable_initializer();
    for (int i = all.size(); i-- > 0;)
      if (!read.contains(all[i].name())) all.DeleteSubrange(i, 1);
  }

  const ModelFile& file_;
  TensorReader reader_;
  ExternalData external_;
  std::map<std::string, const TensorProto*> initializers_;
  GraphProto* out_ = nullptr;
  bool by_column_ = true;                   // a weight has a scale for each column
  std::set<std::string> weights_, inputs_;  // that are there already
};

}  // namespace

Expected<std::vector<WeightedMatmul>> find_weighted_matmuls(const std::string& path,
                                                            const Limits& limits) {
  const ModelFile file = TRY(read_model_file(path, limits));
  return Quantizer(file, limits).found();
}

Expected<std::vector<std::string>> model_outputs(const std::string& path, const Limits& limits) {
  const ModelFile file = TRY(read_model_file(path, limits));
  std::vector<std::string> names;
  for (const auto& output : file.model->graph().output()) names.push_back(output.name());
  return names;
}

Status watch_values(const std::string& path, const std::string& output_path,
                    const std::set<std::string>& values, const Limits& limits) {
  const ModelFile file = TRY(read_model_file(path, limits));
  return Quantizer(file, limits).watch(output_path, values);
}

Expected<std::vector<WeightedMatmul>> quantize_model(const std::string& path,
                                                     const std::string& output_path,
                                                     const QuantizeOptions& options,
                                                     const Limits& limits) {
  const ModelFile file = TRY(read_model_file(path, limits));
  Quantizer quantizer(file, limits);
  TRY(quantizer.check_opset());
  return quantizer.write(output_path, options);
}

}  // namespace tessera
