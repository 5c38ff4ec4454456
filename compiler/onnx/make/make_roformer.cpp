// SPDX-License-Identifier: Apache-2.0
// RoFormer's second version for classification: no biases, norms that neither centre nor scale, and
// positions that rotate pairs of each head's queries and keys. Nodes are those that PyTorch's
// exporter writes for it, so the rotation stands in its parts: two strided slices, four products,
// and a concatenation that interleaves.
#include <cmath>
#include <limits>

#include "compiler/onnx/make/families.h"
#include "compiler/onnx/make/model_builder.h"

namespace tessera {
namespace {

using ::onnx::TensorProto;
using Ints = std::vector<int64_t>;

constexpr int64_t kToTheEnd = std::numeric_limits<int64_t>::max();

class RoFormer {
 public:
  explicit RoFormer(const MakeModelOptions& options)
      : o_(options),
        depth_(options.hidden / options.heads),
        b_(options.seed, "RoFormerV2 as PyTorch exports it, with seeded random weights", 11) {}

  Status write(const std::string& path) {
    for (const char* name : {"input_ids", "token_type_ids", "attention_mask"})
      b_.add_input(name, TensorProto::INT64);
    b_.add_output("output", TensorProto::FLOAT, {"batch", "2"});
    add_positions();
    const std::string mask = add_mask();
    std::string x = add_embeddings();
    for (int64_t layer = 0; layer < o_.layers; ++layer) x = add_layer(layer, x, mask);
    add_head(x);
    return b_.write(path);
  }

 private:
  // Angles of position p and pair i: p / 10000^(2i/depth). A row holds sines, then cosines.
  TensorProto position_table() const {
    const int64_t pairs = depth_ / 2;
    std::vector<float> table;
    for (int64_t p = 0; p < o_.max_position; ++p) {
      for (const bool cosine : {false, true}) {
        for (int64_t i = 0; i < pairs; ++i) {
          const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(depth_);
          const double angle = static_cast<double>(p) / std::pow(10000, exponent);
          table.push_back(static_cast<float>(cosine ? std::cos(angle) : std::sin(angle)));
        }
      }
    }
    TensorProto tensor;
    tensor.set_data_type(TensorProto::FLOAT);
    tensor.set_name("roformer.encoder.embed_positions.weight");
    tensor.add_dims(o_.max_position);
    tensor.add_dims(depth_);
    tensor.set_raw_data(table.data(), table.size() * sizeof(float));
    return tensor;
  }

  // Sines and cosines of the sequence, [1,1,sequence,depth/2] each.
  void add_positions() {
    const TensorProto table = position_table();
    *b_.graph().add_initializer() = table;
    const std::string length = b_.dimension("input_ids", 1);
    const std::string ends = b_.value("Unsqueeze", {length}, "axes", Ints{0});
    const std::string rows =
        b_.value("Slice", {table.name(), b_.list({0}), ends, b_.list({0}), b_.list({1})});
    const std::string spread = b_.value("Unsqueeze", {rows}, "axes", Ints{0, 1});
    ::onnx::NodeProto& split = b_.node("Split", {spread});
    set_attribute(split, "axis", int64_t{3});
    set_attribute(split, "split", Ints{depth_ / 2, depth_ / 2});
    split.add_output(split.name() + "_output_1");
    sines_ = split.output(0);
    cosines_ = split.output(1);
  }

  std::string add_mask() {
    std::string mask = b_.value("Unsqueeze", {"attention_mask"}, "axes", Ints{1, 2});
    mask = b_.value("Cast", {mask}, "to", int64_t{TensorProto::FLOAT});
    const std::string one = b_.scalar(1);
    mask = b_.value("Sub", {one, mask});
    return b_.value("Mul", {mask, b_.scalar(kMaskValue)});
  }

  std::string add_embeddings() {
    const std::string name = "roformer.embeddings.";
    const Distribution row = {0, 0.02};
    b_.add_weight(name + "word_embeddings.weight", {o_.vocab, o_.hidden}, row);
    b_.add_weight(name + "token_type_embeddings.weight", {2, o_.hidden}, row);
    const std::string words = b_.value("Gather", {name + "word_embeddings.weight", "input_ids"});
    const std::string types =
        b_.value("Gather", {name + "token_type_embeddings.weight", "token_type_ids"});
    return add_norm(b_.value("Add", {words, types}));
  }

  std::string add_norm(const std::string& x) {
    const std::string squares = b_.value("Mul", {x, x});
    const std::string variance = b_.value("ReduceMean", {squares}, "axes", Ints{-1});
    const std::string sum = b_.value("Add", {variance, b_.scalar(kNormEpsilon)});
    return b_.value("Div", {x, b_.value("Sqrt", {sum})});
  }

  // The exporter has transposed and numbered the matrix.
  std::string add_linear(const std::string& x, int64_t rows, int64_t columns, double gain = 1) {
    const std::string name = "onnx::MatMul_" + std::to_string(b_.graph().node_size());
    b_.add_matrix(name, {rows, columns},
                  {0, gain * 0.02 * std::sqrt(768 / static_cast<double>(rows))});
    return b_.value("MatMul", {x, name});
  }

  std::string heads_of(const std::string& x) {
    const std::string split = b_.value("Reshape", {x, b_.list({0, 0, o_.heads, depth_})});
    return b_.value("Transpose", {split}, "perm", Ints{0, 2, 1, 3});
  }

  std::string every_other(const std::string& x, int64_t from) {
    return b_.value("Slice",
                    {x, b_.list({from}), b_.list({kToTheEnd}), b_.list({3}), b_.list({2})});
  }

  // Each pair of a head's numbers is rotated by its position's angle.
  std::string rotate(const std::string& x) {
    const std::string even = every_other(x, 0);
    const std::string odd = every_other(x, 1);
    const std::string turned_even =
        b_.value("Sub", {b_.value("Mul", {even, cosines_}), b_.value("Mul", {odd, sines_})});
    const std::string turned_odd =
        b_.value("Add", {b_.value("Mul", {odd, cosines_}), b_.value("Mul", {even, sines_})});
    const std::string pairs = b_.value("Concat",
                                       {b_.value("Unsqueeze", {turned_even}, "axes", Ints{4}),
                                        b_.value("Unsqueeze", {turned_odd}, "axes", Ints{4})},
                                       "axis", int64_t{-1});
    return b_.value("Reshape", {pairs, b_.list({0, 0, 0, depth_})});
  }

  // Queries and keys are twice as large as the rest, so that scores differ as a trained model's do.
  std::string add_attention(const std::string& x, const std::string& mask) {
    const std::string queries = rotate(heads_of(add_linear(x, o_.hidden, o_.hidden, 2)));
    const std::string keys = rotate(heads_of(add_linear(x, o_.hidden, o_.hidden, 2)));
    const std::string values = heads_of(add_linear(x, o_.hidden, o_.hidden));
    const std::string transposed = b_.value("Transpose", {keys}, "perm", Ints{0, 1, 3, 2});
    const std::string products = b_.value("MatMul", {queries, transposed});
    const std::string root = b_.scalar(std::sqrt(static_cast<double>(depth_)));
    const std::string scores = b_.value("Add", {b_.value("Div", {products, root}), mask});
    const std::string weights = b_.value("Softmax", {scores}, "axis", int64_t{3});
    const std::string context = b_.value("MatMul", {weights, values});
    const std::string joined = b_.value("Transpose", {context}, "perm", Ints{0, 2, 1, 3});
    return b_.value("Reshape", {joined, b_.list({0, 0, o_.hidden})});
  }

  std::string add_layer(int64_t, const std::string& x, const std::string& mask) {
    const std::string attended = add_linear(add_attention(x, mask), o_.hidden, o_.hidden);
    const std::string middle = add_norm(b_.value("Add", {attended, x}));
    const std::string wide = b_.value("Relu", {add_linear(middle, o_.hidden, o_.ffn)});
    const std::string narrow = add_linear(wide, o_.ffn, o_.hidden);
    return add_norm(b_.value("Add", {narrow, middle}));
  }

  // Two classes of the first token.
  void add_head(const std::string& x) {
    const std::string first = b_.value("Gather", {x, b_.integer(0)}, "axis", int64_t{1});
    const Distribution bias = {0, 0.05};
    b_.add_weight("classifier.dense.bias", {o_.hidden}, bias);
    b_.add_weight("classifier.out_proj.bias", {2}, bias);
    const std::string dense =
        b_.value("Add", {add_linear(first, o_.hidden, o_.hidden), "classifier.dense.bias"});
    const std::string logits = add_linear(b_.value("Relu", {dense}), o_.hidden, 2);
    b_.node("Add", {logits, "classifier.out_proj.bias"}).set_output(0, "output");
  }

  const MakeModelOptions& o_;
  const int64_t depth_;
  ModelBuilder b_;
  std::string sines_, cosines_;
};

}  // namespace

Status make_roformer(const MakeModelOptions& options, const std::string& path) {
  return RoFormer(options).write(path);
}

}  // namespace tessera
