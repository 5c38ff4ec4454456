// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/onnx_seeds.h"

#include <charconv>
#include <cstdlib>
#include <sstream>

#include "compiler/onnx/model_writer.h"
#include "onnx.pb.h"

namespace tessera::fuzz {
namespace {

using ::onnx::TensorProto;

// A line a node: "Concat a b -> c axis=1 perm=[0,1] alpha=0.5 equation='ij'"; "com.microsoft:Gelu".
// A line "name : 1,2,3" is a vector of int64, "name : 0.5 [2,3]" floats of that shape, all alike,
// "name ? [batch,4]" an input of floats, "name # [batch,4]" one of int64.
struct Model {
  const char* name;
  const char* text;
};
constexpr Model kModels[] = {
    {"elementwise", R"(
x ? [batch,5]
half : 0.5 [5]
Mul x half -> a
Add a x -> b
Erf b -> c
Sub c half -> d
Div d b -> e
Clip e -> f min=-2.0 max=2.0
Pow f half -> g
Abs g -> g2
Sqrt g2 -> h
Less h x -> i
Where i h x -> j
Sigmoid j -> k
Tanh k -> l
Relu l -> m
Neg m -> n
Exp n -> o
Reciprocal o -> p
Sign p -> q
Max q p o -> r
Mean r q -> s
Cast s -> y to=6
)"},
    {"logic",       R"(
x # [batch,4]
one : 1
Greater x one -> a
Equal x one -> b
Or a b -> c
Xor c b -> d
Not d -> e
And e c -> f
Cast f -> g to=7
GreaterOrEqual g x -> h
LessOrEqual g x -> i
Xor h i -> y
)"},
    {"shapes",      R"(
x ? [batch,4]
zero : 0
one : 1
minus : -1
Shape x -> s
Gather s zero -> rows axis=0
Concat rows minus one -> target axis=0
Reshape x target -> a
Unsqueeze a zero -> b
Squeeze b zero -> c
Transpose c -> d perm=[2,1,0]
Flatten d -> e axis=1
Slice x zero one one -> f
Expand f s -> g
Tile g s -> h
ConstantOfShape s -> i
Range zero one one -> j
Size x -> k
NonZero one -> l
Concat e f -> y axis=1
)"},
    {"split_pad",   R"(
x ? [batch,6]
pads : 0,1,0,1
Split x -> a b axis=1
Pad a pads -> c mode='constant'
Concat c b -> y axis=1
)"},
    {"products",    R"(
x ? [batch,3,4]
w : 0.25 [4,4]
bias : 0.1 [4]
MatMul x w -> a
Add a bias -> b
Einsum b w -> c equation='bij,jk->bik'
Gelu b -> d2
com.microsoft:FusedMatMul c w -> d alpha=0.5 transB=1
Transpose d -> e perm=[0,2,1]
MatMul d e -> f
Softmax f -> y axis=-1
)"},
    {"gemm",        R"(
x ? [batch,3]
w : 0.5 [4,3]
c : 0.1 [4]
Gemm x w c -> a alpha=0.5 beta=2.0 transB=1
LogSoftmax a -> y axis=1
)"},
    {"conv",        R"(
x ? [batch,2,6]
w : 0.5 [3,2,3]
b : 0.1 [3]
Conv x w b -> y kernel_shape=[3] pads=[1,1] strides=[1]
)"},
    {"reductions",  R"(
x ? [batch,3,4]
one : 1
ReduceSum x one -> a keepdims=1
ReduceMean x -> b axes=[2] keepdims=1
ReduceMax x -> c axes=[1,2] keepdims=1
CumSum x one -> d
ReduceL2 d -> e axes=[2] keepdims=1
Sum a b c e -> y
)"},
    {"norms",       R"(
x ? [batch,3,4]
g : 1.0 [4]
b : 0.0 [4]
LayerNormalization x g b -> a axis=-1 epsilon=0.00001
com.microsoft:SkipLayerNormalization a x g b -> c epsilon=0.00001
com.microsoft:FastGelu c b -> d
com.microsoft:BiasGelu d b -> e
ReduceMean e -> m axes=[-1] keepdims=1
Sub e m -> f
Mul f f -> h
ReduceMean h -> v axes=[-1] keepdims=1
Sqrt v -> sd
Div f sd -> y
)"},
    {"attention",   R"(
ids # [batch,4]
table : 0.1 [8,4]
wqkv : 0.2 [4,12]
bqkv : 0.1 [12]
Gather table ids -> x axis=0
com.microsoft:Attention x wqkv bqkv -> y num_heads=2
)"},
};

std::vector<int64_t> integers_of(std::string text) {
  std::vector<int64_t> all;
  std::erase(text, '[');
  std::erase(text, ']');
  std::istringstream list(text);
  for (std::string one; std::getline(list, one, ',');)
    all.push_back(std::strtoll(one.c_str(), nullptr, 10));
  return all;
}

void declare(::onnx::ValueInfoProto& value, const std::string& name, int32_t type,
             std::string dims) {
  value.set_name(name);
  auto* const tensor = value.mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(type);
  std::erase(dims, '[');
  std::erase(dims, ']');
  std::istringstream list(dims);
  for (std::string one; std::getline(list, one, ',');) {
    auto* const dim = tensor->mutable_shape()->add_dim();
    if (one[0] >= '0' && one[0] <= '9')
      dim->set_dim_value(std::strtoll(one.c_str(), nullptr, 10));
    else
      dim->set_dim_param(one);
  }
}

void set(::onnx::NodeProto& node, const std::string& name, const std::string& value) {
  if (value[0] == '\'')
    set_attribute(node, name, value.substr(1, value.size() - 2));
  else if (value[0] == '[')
    set_attribute(node, name, integers_of(value));
  else if (value.find('.') != std::string::npos)
    set_attribute(node, name, std::strtod(value.c_str(), nullptr));
  else
    set_attribute(node, name, int64_t{std::strtoll(value.c_str(), nullptr, 10)});
}

void add_constant(::onnx::GraphProto& graph, const std::string& name, const std::string& value,
                  const std::string& dims) {
  TensorProto& tensor = *graph.add_initializer();
  if (dims.empty()) {
    tensor = int64_tensor(integers_of(value));
  } else {
    tensor.set_data_type(TensorProto::FLOAT);
    size_t count = 1;
    for (const int64_t dim : integers_of(dims))
      tensor.add_dims(dim), count *= static_cast<size_t>(dim);
    for (size_t i = 0; i < count; ++i) tensor.add_float_data(std::strtof(value.c_str(), nullptr));
  }
  tensor.set_name(name);
}

void add_node(::onnx::GraphProto& graph, const std::vector<std::string>& words) {
  ::onnx::NodeProto& node = *graph.add_node();
  const size_t colon = words[0].find(':');
  node.set_op_type(words[0].substr(colon + 1));
  if (colon != std::string::npos) node.set_domain(words[0].substr(0, colon));
  bool results = false;
  for (size_t i = 1; i < words.size(); ++i) {
    const size_t equals = words[i].find('=');
    if (words[i] == "->")
      results = true;
    else if (equals != std::string::npos)
      set(node, words[i].substr(0, equals), words[i].substr(equals + 1));
    else if (results)
      node.add_output(words[i]);
    else
      node.add_input(words[i]);
  }
  node.set_name("n" + std::to_string(graph.node_size()));
}

std::string bytes_of(const Model& model) {
  ::onnx::ModelProto proto;
  proto.set_ir_version(8);
  proto.add_opset_import()->set_version(13);
  auto* const extra = proto.add_opset_import();
  extra->set_domain("com.microsoft");
  extra->set_version(1);
  ::onnx::GraphProto& graph = *proto.mutable_graph();
  graph.set_name(model.name);
  std::istringstream lines(model.text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream list(line);
    std::vector<std::string> words;
    for (std::string word; list >> word;) words.push_back(word);
    if (words.size() < 3) continue;
    if (words[1] == "?" || words[1] == "#")
      declare(*graph.add_input(), words[0],
              words[1] == "?" ? TensorProto::FLOAT : TensorProto::INT64, words[2]);
    else if (words[1] == ":")
      add_constant(graph, words[0], words[2], words.size() > 3 ? words[3] : "");
    else
      add_node(graph, words);
  }
  graph.add_output()->set_name("y");
  return proto.SerializeAsString();
}

}  // namespace

Seeds onnx_seeds() {
  Seeds seeds;
  for (const Model& model : kModels) seeds.emplace_back(model.name, bytes_of(model));
  return seeds;
}

Seeds tensor_seeds() {
  Seeds seeds;
  TensorProto integers = int64_tensor({1, 2, 3});
  integers.set_name("ids");
  seeds.emplace_back("int64", integers.SerializeAsString());
  TensorProto floats;
  floats.set_name("w");
  floats.set_data_type(TensorProto::FLOAT);
  floats.add_dims(2);
  floats.add_dims(1);
  floats.add_float_data(1);
  floats.add_float_data(-2);
  seeds.emplace_back("float", floats.SerializeAsString());
  TensorProto raw = floats;
  raw.clear_float_data();
  raw.set_data_type(TensorProto::FLOAT16);
  raw.set_raw_data("\x01\x3c\x02\x3c");
  seeds.emplace_back("raw", raw.SerializeAsString());
  TensorProto outside;
  outside.set_data_type(TensorProto::FLOAT);
  outside.add_dims(1);
  outside.set_data_location(TensorProto::EXTERNAL);
  auto* const entry = outside.add_external_data();
  entry->set_key("location");
  entry->set_value("input.pb");
  seeds.emplace_back("external", outside.SerializeAsString());
  return seeds;
}

}  // namespace tessera::fuzz
