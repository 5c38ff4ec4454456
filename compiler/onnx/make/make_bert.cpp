// SPDX-License-Identifier: Apache-2.0
// The exporter's graph, node by node in its order: positions are sliced from a buffer by a shape
// that is computed at run time, heads are split by shapes that are too, and layer norm and gelu
// stand in their parts. That is what makes it a test of the importer and the passes, not of us.
#include <cmath>
#include <numbers>

#include "compiler/onnx/make/families.h"
#include "compiler/onnx/make/model_builder.h"

namespace tessera {
namespace {

using ::onnx::NodeProto;
using ::onnx::TensorProto;
using Ints = std::vector<int64_t>;

constexpr double kNormWeightDeviation = 0.1;
constexpr double kBiasDeviation = 0.05;

class Bert {
 public:
  explicit Bert(const MakeModelOptions& options)
      : o_(options),
        b_(options.seed, "BERT as transformers.onnx exports it, with seeded random weights", 11),
        weight_number_(first_weight_number(options)) {}

  Status write(const std::string& path) {
    for (const char* name : {"input_ids", "attention_mask", "token_type_ids"})
      b_.add_input(name, TensorProto::INT64);
    for (const char* name : {"start_logits", "end_logits"})
      b_.add_output(name, TensorProto::FLOAT, {"batch", "sequence"});
    add_parameters();
    const std::string mask = add_mask();
    std::string x = add_embeddings();
    const bool shares = o_.family == ModelFamily::Albert;
    for (int64_t layer = 0; layer < o_.layers; ++layer) {
      next_matrix_ = 0;
      reuses_ = shares && layer > 0;
      x = add_layer(shares ? 0 : layer, x, mask);
    }
    reuses_ = false;
    add_head(x);
    return b_.write(path);
  }

 private:
  std::string list(int64_t value) {
    ++weight_number_;  // the exporter folded it from a scalar, and numbered it among the weights
    return b_.list({value});
  }

  // A list that the exporter folded to an initializer.
  std::string folded(int64_t value) {
    const std::string name = "onnx::Slice_" + std::to_string(weight_number_++);
    TensorProto tensor = int64_tensor({value});
    tensor.set_name(name);
    *b_.graph().add_initializer() = std::move(tensor);
    return name;
  }

  void add_norm_parameters(const std::string& name) {
    b_.add_weight(name + ".weight", {o_.hidden}, {1, kNormWeightDeviation});
    b_.add_weight(name + ".bias", {o_.hidden}, {0, kBiasDeviation});
  }

  static std::string layer_name(int64_t layer) {
    return "bert.encoder.layer." + std::to_string(layer) + ".";
  }

  void add_parameters() {
    add_positions();
    const std::string embeddings = "bert.embeddings.";
    const Distribution row = {0, 0.02};
    b_.add_weight(embeddings + "word_embeddings.weight", {o_.vocab, o_.hidden}, row);
    b_.add_weight(embeddings + "position_embeddings.weight", {o_.max_position, o_.hidden}, row);
    b_.add_weight(embeddings + "token_type_embeddings.weight", {2, o_.hidden}, row);
    add_norm_parameters(embeddings + "LayerNorm");
    const Distribution bias = {0, kBiasDeviation};
    const int64_t layers = o_.family == ModelFamily::Albert ? 1 : o_.layers;
    for (int64_t i = 0; i < layers; ++i) {
      const std::string name = layer_name(i);
      for (const char* part : {"query", "key", "value"})
        b_.add_weight(name + "attention.self." + part + ".bias", {o_.hidden}, bias);
      b_.add_weight(name + "attention.output.dense.bias", {o_.hidden}, bias);
      add_norm_parameters(name + "attention.output.LayerNorm");
      b_.add_weight(name + "intermediate.dense.bias", {o_.ffn}, bias);
      b_.add_weight(name + "output.dense.bias", {o_.hidden}, bias);
      add_norm_parameters(name + "output.LayerNorm");
    }
    b_.add_weight("qa_outputs.bias", {2}, bias);
  }

  void add_positions() {
    Ints positions(static_cast<size_t>(o_.max_position));
    for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<int64_t>(i);
    TensorProto tensor = int64_tensor(positions);
    tensor.clear_dims();
    tensor.add_dims(1);
    tensor.add_dims(o_.max_position);
    tensor.set_name("bert.embeddings.position_ids");
    *b_.graph().add_initializer() = std::move(tensor);
  }

  // x times a matrix that the exporter has transposed and numbered. Its deviation is that of a
  // trained BERT-base, 0.02 at 768 inputs, so that the spread of what follows is the same at any
  // size.
  std::string times_matrix(const std::string& x, int64_t rows, int64_t columns, double gain = 1) {
    if (reuses_) return b_.value("MatMul", {x, matrices_[next_matrix_++]});
    const std::string name = "onnx::MatMul_" + std::to_string(weight_number_++);
    matrices_.push_back(name);
    b_.add_matrix(name, {rows, columns},
                  {0, gain * 0.02 * std::sqrt(768 / static_cast<double>(rows))});
    return b_.value("MatMul", {x, name});
  }

  // (1 - mask) times the least float, to be added to every score.
  std::string add_mask() {
    std::string mask = b_.value("Unsqueeze", {"attention_mask"}, "axes", Ints{1});
    mask = b_.value("Unsqueeze", {mask}, "axes", Ints{2});
    mask = b_.value("Cast", {mask}, "to", int64_t{TensorProto::FLOAT});
    const std::string one = b_.scalar(1);
    mask = b_.value("Sub", {one, mask});
    return b_.value("Mul", {mask, b_.scalar(kMaskValue)});
  }

  std::string add_embeddings() {
    // Nodes 7 to 14, whose names PopRT's packing chapter removes.
    const std::string length = b_.dimension("input_ids", 1);
    const std::string end = b_.value("Add", {length, b_.integer(0)});  // behind 0 cached tokens
    const std::string ends = b_.value("Unsqueeze", {end}, "axes", Ints{0});
    const std::string steps = b_.constant(int64_tensor({1}));
    const std::string starts = folded(0), axes = folded(1);
    const std::string positions =
        b_.value("Slice", {"bert.embeddings.position_ids", starts, ends, axes, steps});
    const std::string words =
        b_.value("Gather", {"bert.embeddings.word_embeddings.weight", "input_ids"});
    const std::string types =
        b_.value("Gather", {"bert.embeddings.token_type_embeddings.weight", "token_type_ids"});
    const std::string sum = b_.value("Add", {words, types});
    const std::string places =
        b_.value("Gather", {"bert.embeddings.position_embeddings.weight", positions});
    return add_norm(b_.value("Add", {sum, places}), "bert.embeddings.LayerNorm");
  }

  std::string add_norm(const std::string& x, const std::string& name) {
    const std::string mean = b_.value("ReduceMean", {x}, "axes", Ints{-1});
    const std::string centered = b_.value("Sub", {x, mean});
    const std::string two = b_.scalar(2);
    const std::string squares = b_.value("Pow", {centered, two});
    const std::string variance = b_.value("ReduceMean", {squares}, "axes", Ints{-1});
    const std::string eps = b_.scalar(kNormEpsilon);
    const std::string deviation = b_.value("Sqrt", {b_.value("Add", {variance, eps})});
    const std::string unit = b_.value("Div", {centered, deviation});
    return b_.value("Add", {b_.value("Mul", {unit, name + ".weight"}), name + ".bias"});
  }

  std::string add_dense(const std::string& x, const std::string& name, int64_t rows,
                        int64_t columns, double gain = 1) {
    const std::string product = times_matrix(x, rows, columns, gain);
    return b_.value("Add", {name + ".bias", product});
  }

  // [batch, sequence, last...], the first two read from x when it runs.
  std::string reshape_like(const std::string& x, const Ints& last) {
    const std::string batch = b_.dimension(x, 0);
    const std::string sequence = b_.dimension(x, 1);
    std::vector<std::string> parts = {b_.value("Unsqueeze", {batch}, "axes", Ints{0}),
                                      b_.value("Unsqueeze", {sequence}, "axes", Ints{0})};
    for (const int64_t size : last) parts.push_back(list(size));
    const std::string shape = b_.value("Concat", parts, "axis", int64_t{0});
    return b_.value("Reshape", {x, shape});
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
    const std::string values = b_.value("Transpose", {v_heads}, "perm", Ints{0, 2, 1, 3});
    const std::string q_heads = reshape_like(q, split);
    const std::string queries = b_.value("Transpose", {q_heads}, "perm", Ints{0, 2, 1, 3});
    const std::string keys = b_.value("Transpose", {k_heads}, "perm", Ints{0, 2, 3, 1});
    const std::string products = b_.value("MatMul", {queries, keys});
    const std::string root = b_.scalar(std::sqrt(static_cast<double>(depth)));
    const std::string scaled = b_.value("Div", {products, root});
    const std::string scores = b_.value("Add", {scaled, mask});
    const std::string weights = b_.value("Softmax", {scores}, "axis", int64_t{3});
    const std::string context = b_.value("MatMul", {weights, values});
    return reshape_like(b_.value("Transpose", {context}, "perm", Ints{0, 2, 1, 3}), {o_.hidden});
  }

  std::string add_gelu(const std::string& x) {
    return o_.gelu == GeluForm::Erf ? add_gelu_by_erf(x) : add_gelu_by_tanh(x);
  }

  std::string add_gelu_by_tanh(const std::string& x) {
    const std::string half = b_.value("Mul", {x, b_.scalar(0.5)});
    const std::string cube = b_.value("Pow", {x, b_.scalar(3)});
    const std::string sum = b_.value("Add", {x, b_.value("Mul", {cube, b_.scalar(0.044715)})});
    const std::string inner = b_.value("Mul", {sum, b_.scalar(std::sqrt(2 / std::numbers::pi))});
    const std::string tanh = b_.value("Tanh", {inner});
    return b_.value("Mul", {half, b_.value("Add", {tanh, b_.scalar(1)})});
  }

  std::string add_gelu_by_erf(const std::string& x) {
    const std::string root = b_.scalar(std::sqrt(2.0));
    const std::string erf = b_.value("Erf", {b_.value("Div", {x, root})});
    const std::string one = b_.scalar(1);
    const std::string sum = b_.value("Add", {erf, one});
    const std::string product = b_.value("Mul", {x, sum});
    return b_.value("Mul", {product, b_.scalar(0.5)});
  }

  std::string add_layer(int64_t layer, const std::string& x, const std::string& mask) {
    const std::string name = layer_name(layer);
    const std::string context = add_attention(x, name, mask);
    const std::string attended =
        add_dense(context, name + "attention.output.dense", o_.hidden, o_.hidden);
    const std::string middle =
        add_norm(b_.value("Add", {attended, x}), name + "attention.output.LayerNorm");
    const std::string wide =
        add_gelu(add_dense(middle, name + "intermediate.dense", o_.hidden, o_.ffn));
    const std::string narrow = add_dense(wide, name + "output.dense", o_.ffn, o_.hidden);
    return add_norm(b_.value("Add", {narrow, middle}), name + "output.LayerNorm");
  }

  void add_head(const std::string& x) {
    const std::string logits = add_dense(x, "qa_outputs", o_.hidden, 2);
    NodeProto& split = b_.node("Split", {logits});
    set_attribute(split, "axis", int64_t{-1});
    set_attribute(split, "split", Ints{1, 1});
    split.add_output(split.name() + "_output_1");
    const std::string parts[] = {split.output(0), split.output(1)};
    const char* names[] = {"start_logits", "end_logits"};
    for (int i = 0; i < 2; ++i) {
      NodeProto& squeeze = b_.node("Squeeze", {parts[i]});
      set_attribute(squeeze, "axes", Ints{2});
      squeeze.set_output(0, names[i]);
    }
  }

  // The exporter numbers its folded weights after all values that it traced.
  static int64_t first_weight_number(const MakeModelOptions& o) {
    return 48 + (o.gelu == GeluForm::Erf ? 126 : 131) * o.layers;
  }

  const MakeModelOptions& o_;
  ModelBuilder b_;
  int64_t weight_number_;
  // For layers that share their weights: the first one's matrices, in their order.
  std::vector<std::string> matrices_;
  size_t next_matrix_ = 0;
  bool reuses_ = false;
};

}  // namespace

Status make_bert(const MakeModelOptions& options, const std::string& path) {
  return Bert(options).write(path);
}

}  // namespace tessera
