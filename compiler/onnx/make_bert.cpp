// SPDX-License-Identifier: Apache-2.0
// The exporter's graph, node by node in its order: positions are sliced from a buffer by a shape
// that is computed at run time, heads are split by shapes that are too, and layer norm and gelu
// stand in their parts. That is what makes it a test of the importer and the passes, not of us.
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "compiler/make_model.h"
#include "compiler/onnx/model_writer.h"
#include "compiler/onnx/random_weights.h"

namespace tessera {
namespace {

using ::onnx::NodeProto;
using ::onnx::TensorProto;
using Ints = std::vector<int64_t>;

constexpr double kMaskValue = -3.4028234663852886e38;  // float's least, as the exporter writes it
constexpr double kEps = 1e-12;
constexpr double kNormWeightDeviation = 0.1;
constexpr double kBiasDeviation = 0.05;

class Bert {
 public:
  explicit Bert(const MakeModelOptions& options)
      : o_(options), weight_number_(first_weight_number(options)) {}

  Status write(const std::string& path) {
    fill_header();
    add_parameters();
    const std::string mask = add_mask();
    std::string x = add_embeddings();
    for (int64_t layer = 0; layer < o_.layers; ++layer) x = add_layer(layer, x, mask);
    add_head(x);
    std::move(matrices_.begin(), matrices_.end(), std::back_inserter(weights_));
    return write_model(path, model_, weights_);
  }

 private:
  ::onnx::GraphProto& graph() { return *model_.mutable_graph(); }

  void fill_header() {
    model_.set_ir_version(6);
    model_.set_producer_name("tessera");
    model_.set_doc_string("BERT as transformers.onnx exports it, with seeded random weights");
    model_.add_opset_import()->set_version(11);
    graph().set_name("torch-jit-export");
    for (const char* name : {"input_ids", "attention_mask", "token_type_ids"})
      describe(*graph().add_input(), name, TensorProto::INT64);
    for (const char* name : {"start_logits", "end_logits"})
      describe(*graph().add_output(), name, TensorProto::FLOAT);
  }

  static void describe(::onnx::ValueInfoProto& info, const std::string& name, int32_t type) {
    info.set_name(name);
    auto* tensor = info.mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(type);
    tensor->mutable_shape()->add_dim()->set_dim_param("batch");
    tensor->mutable_shape()->add_dim()->set_dim_param("sequence");
  }

  // Nodes are numbered through, constants among them.
  NodeProto& node(const std::string& op, const std::vector<std::string>& inputs) {
    NodeProto& node = *graph().add_node();
    node.set_op_type(op);
    node.set_name(op + "_" + std::to_string(graph().node_size() - 1));
    for (const std::string& input : inputs) node.add_input(input);
    node.add_output(node.name() + "_output_0");
    return node;
  }
  std::string value(const std::string& op, const std::vector<std::string>& inputs) {
    return node(op, inputs).output(0);
  }
  template <class T>
  std::string value(const std::string& op, const std::vector<std::string>& inputs,
                    const char* attribute, const T& held) {
    NodeProto& added = node(op, inputs);
    set_attribute(added, attribute, held);
    return added.output(0);
  }

  std::string constant(const TensorProto& tensor) {
    NodeProto& added = node("Constant", {});
    set_attribute(added, "value", tensor);
    return added.output(0);
  }
  std::string scalar(double value) {
    TensorProto tensor;
    tensor.set_data_type(TensorProto::FLOAT);
    const auto narrow = static_cast<float>(value);
    tensor.set_raw_data(&narrow, sizeof narrow);
    return constant(tensor);
  }
  std::string integer(int64_t value) { return constant(int64_tensor({value}, true)); }
  std::string list(int64_t value) {
    ++weight_number_;  // the exporter folded it from a scalar, and numbered it among the weights
    return constant(int64_tensor({value}));
  }

  // One dimension of a value, as a scalar.
  std::string dimension(const std::string& of, int64_t axis) {
    const std::string shape = value("Shape", {of});
    const std::string index = integer(axis);
    return value("Gather", {shape, index}, "axis", int64_t{0});
  }

  void add_weight(std::vector<StreamedTensor>& to, const std::string& name, const Ints& shape,
                  const Distribution& distribution) {
    StreamedTensor tensor;
    int64_t count = 1;
    for (const int64_t dim : shape) {
      tensor.head.add_dims(dim);
      count *= dim;
    }
    tensor.head.set_data_type(TensorProto::FLOAT);
    tensor.head.set_name(name);
    tensor.bytes = static_cast<size_t>(count) * sizeof(float);
    tensor.write = [=, seed = o_.seed](const Sink& sink) {
      return write_random(sink, name, seed, count, distribution);
    };
    to.push_back(std::move(tensor));
  }

  void add_norm_parameters(const std::string& name) {
    add_weight(weights_, name + ".weight", {o_.hidden}, {1, kNormWeightDeviation});
    add_weight(weights_, name + ".bias", {o_.hidden}, {0, kBiasDeviation});
  }

  static std::string layer_name(int64_t layer) {
    return "bert.encoder.layer." + std::to_string(layer) + ".";
  }

  void add_parameters() {
    add_positions();
    const std::string embeddings = "bert.embeddings.";
    const Distribution row = {0, 0.02};
    add_weight(weights_, embeddings + "word_embeddings.weight", {o_.vocab, o_.hidden}, row);
    add_weight(weights_, embeddings + "position_embeddings.weight", {o_.max_position, o_.hidden},
               row);
    add_weight(weights_, embeddings + "token_type_embeddings.weight", {2, o_.hidden}, row);
    add_norm_parameters(embeddings + "LayerNorm");
    const Distribution bias = {0, kBiasDeviation};
    for (int64_t i = 0; i < o_.layers; ++i) {
      const std::string name = layer_name(i);
      for (const char* part : {"query", "key", "value"})
        add_weight(weights_, name + "attention.self." + part + ".bias", {o_.hidden}, bias);
      add_weight(weights_, name + "attention.output.dense.bias", {o_.hidden}, bias);
      add_norm_parameters(name + "attention.output.LayerNorm");
      add_weight(weights_, name + "intermediate.dense.bias", {o_.ffn}, bias);
      add_weight(weights_, name + "output.dense.bias", {o_.hidden}, bias);
      add_norm_parameters(name + "output.LayerNorm");
    }
    add_weight(weights_, "qa_outputs.bias", {2}, bias);
  }

  void add_positions() {
    Ints positions(static_cast<size_t>(o_.max_position));
    for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<int64_t>(i);
    TensorProto tensor = int64_tensor(positions);
    tensor.clear_dims();
    tensor.add_dims(1);
    tensor.add_dims(o_.max_position);
    tensor.set_name("bert.embeddings.position_ids");
    *graph().add_initializer() = std::move(tensor);
  }

  // x times a matrix that the exporter has transposed and numbered. Its deviation is that of a
  // trained BERT-base, 0.02 at 768 inputs, so that the spread of what follows is the same at any
  // size.
  std::string times_matrix(const std::string& x, int64_t rows, int64_t columns, double gain = 1) {
    const std::string name = "onnx::MatMul_" + std::to_string(weight_number_++);
    add_weight(matrices_, name, {rows, columns},
               {0, gain * 0.02 * std::sqrt(768 / static_cast<double>(rows))});
    return value("MatMul", {x, name});
  }

  // (1 - mask) times the least float, to be added to every score.
  std::string add_mask() {
    std::string mask = value("Unsqueeze", {"attention_mask"}, "axes", Ints{1});
    mask = value("Unsqueeze", {mask}, "axes", Ints{2});
    mask = value("Cast", {mask}, "to", int64_t{TensorProto::FLOAT});
    const std::string one = scalar(1);
    mask = value("Sub", {one, mask});
    return value("Mul", {mask, scalar(kMaskValue)});
  }

  std::string add_embeddings() {
    const std::string length = dimension("input_ids", 1);
    const std::string starts = list(0);
    const std::string ends = value("Unsqueeze", {length}, "axes", Ints{0});
    const std::string axes = list(1);
    const std::string steps = constant(int64_tensor({1}));
    const std::string positions =
        value("Slice", {"bert.embeddings.position_ids", starts, ends, axes, steps});
    const std::string words =
        value("Gather", {"bert.embeddings.word_embeddings.weight", "input_ids"});
    const std::string types =
        value("Gather", {"bert.embeddings.token_type_embeddings.weight", "token_type_ids"});
    const std::string sum = value("Add", {words, types});
    const std::string places =
        value("Gather", {"bert.embeddings.position_embeddings.weight", positions});
    return add_norm(value("Add", {sum, places}), "bert.embeddings.LayerNorm");
  }

  std::string add_norm(const std::string& x, const std::string& name) {
    const std::string mean = value("ReduceMean", {x}, "axes", Ints{-1});
    const std::string centered = value("Sub", {x, mean});
    const std::string two = scalar(2);
    const std::string squares = value("Pow", {centered, two});
    const std::string variance = value("ReduceMean", {squares}, "axes", Ints{-1});
    const std::string eps = scalar(kEps);
    const std::string deviation = value("Sqrt", {value("Add", {variance, eps})});
    const std::string unit = value("Div", {centered, deviation});
    return value("Add", {value("Mul", {unit, name + ".weight"}), name + ".bias"});
  }

  std::string add_dense(const std::string& x, const std::string& name, int64_t rows,
                        int64_t columns, double gain = 1) {
    const std::string product = times_matrix(x, rows, columns, gain);
    return value("Add", {name + ".bias", product});
  }

  // [batch, sequence, last...], the first two read from x when it runs.
  std::string reshape_like(const std::string& x, const Ints& last) {
    const std::string batch = dimension(x, 0);
    const std::string sequence = dimension(x, 1);
    std::vector<std::string> parts = {value("Unsqueeze", {batch}, "axes", Ints{0}),
                                      value("Unsqueeze", {sequence}, "axes", Ints{0})};
    for (const int64_t size : last) parts.push_back(list(size));
    const std::string shape = value("Concat", parts, "axis", int64_t{0});
    return value("Reshape", {x, shape});
  }

  // Queries and keys are twice as large as the rest: scores then differ between keys as much as a
  // trained model's do, and a mask or a position that is lost shows.
  std::string add_attention(const std::string& x, const std::string& name,
                            const std::string& mask) {
    const int64_t depth = o_.hidden / o_.heads;
    const Ints split = {o_.heads, depth};
    const std::string self = name + "attention.self.";
    const std::string q = add_dense(x, self + "query", o_.hidden, o_.hidden, 2);
    const std::string k = add_dense(x, self + "key", o_.hidden, o_.hidden, 2);
    const std::string k_heads = reshape_like(k, split);
    const std::string v = add_dense(x, self + "value", o_.hidden, o_.hidden);
    const std::string v_heads = reshape_like(v, split);
    const std::string values = value("Transpose", {v_heads}, "perm", Ints{0, 2, 1, 3});
    const std::string q_heads = reshape_like(q, split);
    const std::string queries = value("Transpose", {q_heads}, "perm", Ints{0, 2, 1, 3});
    const std::string keys = value("Transpose", {k_heads}, "perm", Ints{0, 2, 3, 1});
    const std::string products = value("MatMul", {queries, keys});
    const std::string root = scalar(std::sqrt(static_cast<double>(depth)));
    const std::string scaled = value("Div", {products, root});
    const std::string scores = value("Add", {scaled, mask});
    const std::string weights = value("Softmax", {scores}, "axis", int64_t{3});
    const std::string context = value("MatMul", {weights, values});
    return reshape_like(value("Transpose", {context}, "perm", Ints{0, 2, 1, 3}), {o_.hidden});
  }

  std::string add_gelu(const std::string& x) {
    return o_.gelu == GeluForm::Erf ? add_gelu_by_erf(x) : add_gelu_by_tanh(x);
  }

  std::string add_gelu_by_tanh(const std::string& x) {
    const std::string half = value("Mul", {x, scalar(0.5)});
    const std::string cube = value("Pow", {x, scalar(3)});
    const std::string sum = value("Add", {x, value("Mul", {cube, scalar(0.044715)})});
    const std::string inner = value("Mul", {sum, scalar(std::sqrt(2 / std::numbers::pi))});
    const std::string tanh = value("Tanh", {inner});
    return value("Mul", {half, value("Add", {tanh, scalar(1)})});
  }

  std::string add_gelu_by_erf(const std::string& x) {
    const std::string root = scalar(std::sqrt(2.0));
    const std::string erf = value("Erf", {value("Div", {x, root})});
    const std::string one = scalar(1);
    const std::string sum = value("Add", {erf, one});
    const std::string product = value("Mul", {x, sum});
    return value("Mul", {product, scalar(0.5)});
  }

  std::string add_layer(int64_t layer, const std::string& x, const std::string& mask) {
    const std::string name = layer_name(layer);
    const std::string context = add_attention(x, name, mask);
    const std::string attended =
        add_dense(context, name + "attention.output.dense", o_.hidden, o_.hidden);
    const std::string middle =
        add_norm(value("Add", {attended, x}), name + "attention.output.LayerNorm");
    const std::string wide =
        add_gelu(add_dense(middle, name + "intermediate.dense", o_.hidden, o_.ffn));
    const std::string narrow = add_dense(wide, name + "output.dense", o_.ffn, o_.hidden);
    return add_norm(value("Add", {narrow, middle}), name + "output.LayerNorm");
  }

  void add_head(const std::string& x) {
    const std::string logits = add_dense(x, "qa_outputs", o_.hidden, 2);
    NodeProto& split = node("Split", {logits});
    set_attribute(split, "axis", int64_t{-1});
    set_attribute(split, "split", Ints{1, 1});
    split.add_output(split.name() + "_output_1");
    const std::string parts[] = {split.output(0), split.output(1)};
    const char* names[] = {"start_logits", "end_logits"};
    for (int i = 0; i < 2; ++i) {
      NodeProto& squeeze = node("Squeeze", {parts[i]});
      set_attribute(squeeze, "axes", Ints{2});
      squeeze.set_output(0, names[i]);
    }
  }

  // The exporter numbers its folded weights after all values that it traced.
  static int64_t first_weight_number(const MakeModelOptions& o) {
    return 48 + (o.gelu == GeluForm::Erf ? 126 : 131) * o.layers;
  }

  const MakeModelOptions& o_;
  int64_t weight_number_;
  ::onnx::ModelProto model_;
  std::vector<StreamedTensor> weights_;   // by their own names, in the exporter's order
  std::vector<StreamedTensor> matrices_;  // numbered ones, which follow
};

Status check(const MakeModelOptions& o) {
  const std::pair<const char*, int64_t> sizes[] = {
      {"layers",       o.layers      },
      {"hidden",       o.hidden      },
      {"heads",        o.heads       },
      {"ffn",          o.ffn         },
      {"vocab",        o.vocab       },
      {"max_position", o.max_position}
  };
  for (const auto& [name, size] : sizes)
    if (size < 1 || size > 1 << 24)
      return Error{std::string("make-model: ") + name + " is " + std::to_string(size) +
                       ", must be from 1 to 2^24",
                   ErrorKind::Usage};
  if (o.hidden % o.heads != 0)
    return Error{"make-model: hidden is " + std::to_string(o.hidden) + " and heads is " +
                     std::to_string(o.heads) + ", which must divide it",
                 ErrorKind::Usage};
  if (o.layers > 1000)
    return Error{"make-model: layers is " + std::to_string(o.layers) + ", must be at most 1000",
                 ErrorKind::Usage};
  return {};
}

}  // namespace

Expected<MakeModelOptions> make_model_preset(const std::string& name) {
  if (name == "tiny") return MakeModelOptions{2, 32, 2, 64, 100, 64};
  if (name == "mini") return MakeModelOptions{4, 256, 4, 1024, 30522, 512};
  if (name == "base") return MakeModelOptions{12, 768, 12, 3072, 30522, 512};
  if (name == "large") return MakeModelOptions{24, 1024, 16, 4096, 30522, 512};
  return Error{"make-model: preset is '" + name + "', must be tiny, mini, base or large",
               ErrorKind::Usage};
}

Status make_bert(const MakeModelOptions& options, const std::string& path) {
  TRY(check(options));
  return Bert(options).write(path);
}

}  // namespace tessera
