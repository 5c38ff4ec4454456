// SPDX-License-Identifier: Apache-2.0
// The vision transformer for classification, as PyTorch's exporter writes it: patches by a
// convolution whose windows do not overlap, a token of its own before them, norms before attention
// and before the feed-forward maps, and the class from the first token.
#include <cmath>

#include "compiler/onnx/make/families.h"
#include "compiler/onnx/make/model_builder.h"

namespace tessera {
namespace {

using ::onnx::TensorProto;
using Ints = std::vector<int64_t>;

constexpr int64_t kChannels = 3, kImage = 224, kPatch = 16;
constexpr int64_t kPatches = kImage / kPatch * (kImage / kPatch);

class Vit {
 public:
  explicit Vit(const MakeModelOptions& options)
      : o_(options),
        b_(options.seed, "ViT as PyTorch exports it, with seeded random weights", 11) {}

  Status write(const std::string& path) {
    b_.add_input("pixel_values", TensorProto::FLOAT, {"batch", "3", "224", "224"});
    b_.add_output("logits", TensorProto::FLOAT, {"batch", std::to_string(o_.vocab)});
    std::string x = add_embeddings();
    for (int64_t layer = 0; layer < o_.layers; ++layer)
      x = add_layer("vit.encoder.layer." + std::to_string(layer) + ".", x);
    x = add_norm(x, "vit.layernorm");
    const std::string first = b_.value("Gather", {x, b_.integer(0)}, "axis", int64_t{1});
    b_.node("Identity", {add_dense(first, "classifier", o_.hidden, o_.vocab)})
        .set_output(0, "logits");
    return b_.write(path);
  }

 private:
  std::string add_embeddings() {
    const std::string name = "vit.embeddings.";
    b_.add_weight(name + "cls_token", {1, 1, o_.hidden}, {0, 0.02});
    b_.add_weight(name + "position_embeddings", {1, kPatches + 1, o_.hidden}, {0, 0.02});
    const std::string kernel = name + "patch_embeddings.projection.";
    b_.add_weight(kernel + "weight", {o_.hidden, kChannels, kPatch, kPatch}, {0, 0.02});
    b_.add_weight(kernel + "bias", {o_.hidden}, {0, 0.05});
    ::onnx::NodeProto& conv = b_.node("Conv", {"pixel_values", kernel + "weight", kernel + "bias"});
    set_attribute(conv, "strides", Ints{kPatch, kPatch});
    const std::string conv_out = conv.output(0);
    const std::string flat = b_.value("Reshape", {conv_out, b_.list({0, o_.hidden, kPatches})});
    const std::string patches = b_.value("Transpose", {flat}, "perm", Ints{0, 2, 1});
    const std::string batch =
        b_.value("Unsqueeze", {b_.dimension("pixel_values", 0)}, "axes", Ints{0});
    const std::string shape =
        b_.value("Concat", {batch, b_.list({1}), b_.list({o_.hidden})}, "axis", int64_t{0});
    const std::string token = b_.value("Expand", {name + "cls_token", shape});
    const std::string tokens = b_.value("Concat", {token, patches}, "axis", int64_t{1});
    return b_.value("Add", {tokens, name + "position_embeddings"});
  }

  std::string add_norm(const std::string& x, const std::string& name) {
    b_.add_weight(name + ".weight", {o_.hidden}, {1, 0.1});
    b_.add_weight(name + ".bias", {o_.hidden}, {0, 0.05});
    const std::string mean = b_.value("ReduceMean", {x}, "axes", Ints{-1});
    const std::string centered = b_.value("Sub", {x, mean});
    const std::string squares = b_.value("Pow", {centered, b_.scalar(2)});
    const std::string variance = b_.value("ReduceMean", {squares}, "axes", Ints{-1});
    const std::string sum = b_.value("Add", {variance, b_.scalar(kNormEpsilon)});
    const std::string unit = b_.value("Div", {centered, b_.value("Sqrt", {sum})});
    return b_.value("Add", {b_.value("Mul", {unit, name + ".weight"}), name + ".bias"});
  }

  std::string add_dense(const std::string& x, const std::string& name, int64_t rows,
                        int64_t columns) {
    b_.add_weight(name + ".bias", {columns}, {0, 0.05});
    b_.add_matrix(name + ".weight", {rows, columns},
                  {0, 0.02 * std::sqrt(768 / static_cast<double>(rows))});
    return b_.value("Add", {b_.value("MatMul", {x, name + ".weight"}), name + ".bias"});
  }

  std::string heads_of(const std::string& x, const Ints& perm) {
    const std::string split =
        b_.value("Reshape", {x, b_.list({0, 0, o_.heads, o_.hidden / o_.heads})});
    return b_.value("Transpose", {split}, "perm", perm);
  }

  std::string add_attention(const std::string& x, const std::string& name) {
    const auto map = [&](const char* part) {
      return add_dense(x, name + "attention." + part, o_.hidden, o_.hidden);
    };
    const std::string q = heads_of(map("query"), {0, 2, 1, 3});
    const std::string k = heads_of(map("key"), {0, 2, 3, 1});
    const std::string v = heads_of(map("value"), {0, 2, 1, 3});
    const double root = std::sqrt(static_cast<double>(o_.hidden) / static_cast<double>(o_.heads));
    const std::string scores = b_.value("Div", {b_.value("MatMul", {q, k}), b_.scalar(root)});
    const std::string weights = b_.value("Softmax", {scores}, "axis", int64_t{3});
    const std::string context =
        b_.value("Transpose", {b_.value("MatMul", {weights, v})}, "perm", Ints{0, 2, 1, 3});
    return b_.value("Reshape", {context, b_.list({0, 0, o_.hidden})});
  }

  std::string add_gelu(const std::string& x) {
    const std::string erf = b_.value("Erf", {b_.value("Div", {x, b_.scalar(std::sqrt(2.0))})});
    const std::string product = b_.value("Mul", {x, b_.value("Add", {erf, b_.scalar(1)})});
    return b_.value("Mul", {product, b_.scalar(0.5)});
  }

  std::string add_layer(const std::string& name, const std::string& x) {
    const std::string attended =
        add_attention(add_norm(x, name + "layernorm_before"), name + "attention.");
    const std::string sum = b_.value(
        "Add", {add_dense(attended, name + "attention.output.dense", o_.hidden, o_.hidden), x});
    const std::string wide = add_gelu(add_dense(add_norm(sum, name + "layernorm_after"),
                                                name + "intermediate.dense", o_.hidden, o_.ffn));
    return b_.value("Add", {add_dense(wide, name + "output.dense", o_.ffn, o_.hidden), sum});
  }

  const MakeModelOptions& o_;
  ModelBuilder b_;
};

}  // namespace

Status make_vit(const MakeModelOptions& options, const std::string& path) {
  return Vit(options).write(path);
}

}  // namespace tessera
