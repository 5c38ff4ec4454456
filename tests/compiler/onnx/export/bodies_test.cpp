// SPDX-License-Identifier: Apache-2.0
// The functions that an exported model has for operations of domain ai.graphcore. Without our mark
// a file is a stranger's, whose functions are inlined: then the bodies are what is interpreted, and
// the operations themselves are the judge. tests/python/test_onnxruntime.py runs them elsewhere.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <set>

#include "compiler/onnx/export/export.h"
#include "ir/interpreter.h"
#include "tests/compiler/onnx/builder.h"
#include "tests/helpers/onnx_case.h"

namespace tessera::test {
namespace {

using ::onnx::ModelProto;
using ::testing::ElementsAre;

ModelProto exported(const Graph& graph, const TempFolder& folder) {
  const Status written = export_onnx(graph, {}, folder / "m.onnx");
  EXPECT_TRUE(written.ok()) << written.error().message;
  std::ifstream file(folder / "m.onnx", std::ios::binary);
  ModelProto model;
  EXPECT_TRUE(model.ParseFromIstream(&file));
  return model;
}

Graph graph_of(const std::string& text) {
  auto graph = parse_graph(text);
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  return graph.ok() ? graph.take() : Graph();
}

// Floats from -2 to 2; whole numbers from `least` to `most`.
Array values(const TensorType& type, double least, double most) {
  Array array{type, {}};
  uint64_t seed = 7;
  for (int64_t i = 0; i < elements(type.shape); ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    const auto part = static_cast<double>(seed >> 40) / (1 << 24);
    array.data.push_back(is_float(type.dtype) ? 4 * part - 2
                                              : least + std::floor(part * (most - least + 1)));
  }
  return to_array(to_tensor(array));  // rounded to the type
}

std::set<std::string> op_types(const ModelProto& model) {
  std::set<std::string> types;
  for (const auto& node : model.graph().node())
    if (!node.domain().empty()) types.insert(node.op_type());
  return types;
}

struct Case {
  std::string name, graph;
  double least = 0, most = 2;               // of whole numbers
  std::map<std::string, Array> given = {};  // in their place
  Tolerance tolerance = {1e-6, 1e-6, 1e-6};
};

std::ostream& operator<<(std::ostream& out, const Case& one) { return out << one.name; }

class EachBody : public ::testing::TestWithParam<Case> {};

TEST_P(EachBody, compute_what_their_operations_do) {
  const TempFolder folder;
  Graph graph = graph_of("graph @f(" + GetParam().graph);
  ModelProto model = exported(graph, folder);
  ASSERT_EQ(op_types(model).size(), 1u);
  ASSERT_EQ(model.functions_size(), 1);
  model.clear_metadata_props();
  std::ofstream(folder / "inlined.onnx", std::ios::binary) << model.SerializeAsString();
  const auto inlined = import_onnx(folder / "inlined.onnx", {});
  ASSERT_TRUE(inlined.ok()) << inlined.error().message;
  // ONNX has a layer norm, which import takes as one.
  const Op op = graph.outputs[0].node->op;
  for (const auto& node : inlined->graph.nodes()) {
    EXPECT_TRUE(op == Op::LayerNorm || node->op != op) << print(inlined->graph);
  }

  std::map<std::string, Array> inputs;
  for (const Node* input : graph.inputs) {
    const auto given = GetParam().given.find(input->name);
    inputs[input->name] = given != GetParam().given.end()
                              ? given->second
                              : values(input->type, GetParam().least, GetParam().most);
  }
  const auto wanted = interpret(graph, inputs), got = interpret(inlined->graph, inputs);
  ASSERT_TRUE(wanted.ok()) << wanted.error().message;
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_EQ(difference((*got)[0], (*wanted)[0], nullptr, GetParam().tolerance), "");
}

constexpr double kInfinity = HUGE_VAL;

Array ints(const Shape& shape, std::vector<double> data) {
  return Array{
      {DType::I32, shape},
      std::move(data)
  };
}

std::string attention(const std::string& mask, const std::string& operands,
                      const std::string& names, const std::string& dtype = "f32") {
  const std::string x = dtype + "[2,4,6]";
  return "%q: " + x + ", %k: " + x + ", %v: " + x + operands + ") { %y = attention %q, %k, %v" +
         names + " {heads=2,scale=0.5773502691896258,mask=\"" + mask + "\"} : " + x +
         " return %y }";
}

const Tolerance kHalf = {2e-3, 2e-3, 2e-3};

std::vector<Case> attention_cases() {
  const std::string keys = ", %m: i32[2,4]";
  // One sequence without keys, one with some.
  const std::map<std::string, Array> none = {
      {"m", ints({2, 4}, {0, 0, 0, 0, 1, 0, 1, 1})}
  };
  const Array hiding{
      {DType::F32, {1, 1, 1, 4}},
      {-kInfinity, -kInfinity, -kInfinity, -kInfinity}
  };
  return {
      {"attention", attention("none", "", "")},
      {"attention_of_f16", attention("none", "", "", "f16"), 0, 0, {}, kHalf},
      {"attention_keys", attention("keys", keys, ", %m"), 0, 1, none},
      {"attention_hidden_keys", attention("keys:-10000", keys, ", %m"), 0, 1, none},
      {"attention_lowest_keys", attention("keys:-3.4028234663852886e+38", keys, ", %m"), 0, 1,
       none},
      {"attention_segments", attention("segments", keys, ", %m"), 0, 2},
      {"attention_lengths",
       attention("lengths", ", %m: i32[2,1]", ", %m"),
       0, 0,
       {{"m", ints({2, 1}, {0, 3})}}},
      {"attention_bias", attention("bias", ", %b: f32[1,2,4,4]", ", %b")},
      {"attention_keys_and_bias", attention("keys+bias", keys + ", %b: f16[2,1,1,4]", ", %m, %b"),
       0, 1, none},
      {"attention_guarded",
       attention("bias+guard", ", %b: f32[1,1,1,4]", ", %b"),
       0, 0,
       {{"b", hiding}}},
  };
}

std::vector<Case> packing_cases() {
  const std::map<std::string, Array> ends = {
      {"n", ints({3, 1}, {2, 0, 4})}
  };
  const std::map<std::string, Array> starts = {
      {"n", ints({3, 2}, {5, 2, 0, 0, 1, 4})}
  };
  return {
      {"pack",
       "%x: f32[3,4,2], %n: i32[3,1]) "
       "{ %y = pack %x, %n {rows=2,row_length=4} : f32[2,4,2] return %y }",  0, 0, ends  },
      {"pack_of_whole_numbers",
       "%x: i32[3,4], %n: i32[3,1]) "
       "{ %y = pack %x, %n {rows=2,row_length=4} : i32[2,4] return %y }",    1, 9, ends  },
      {"pack_from_starts",
       "%x: f16[3,4,2], %n: i32[3,2]) "
       "{ %y = pack %x, %n {rows=2,row_length=4} : f16[2,4,2] return %y }",  0, 0, starts},
      {"unpack",
       "%x: f32[2,4,2], %n: i32[3,1]) "
       "{ %y = unpack %x, %n {segment_max_size=3} : f32[3,3,2] return %y }", 0, 0, ends  },
      {"unpack_from_starts",
       "%x: i32[2,4], %n: i32[3,2]) "
       "{ %y = unpack %x, %n {segment_max_size=5} : i32[3,5] return %y }",   1, 9, starts},
  };
}

std::vector<Case> other_cases() {
  return {
      {"gelu", R"(%x: f32[3,5]) { %y = gelu %x {form="erf"} : f32[3,5] return %y })"},
      {"gelu_by_tanh", R"(%x: f32[3,5]) { %y = gelu %x {form="tanh"} : f32[3,5] return %y })"},
      {"gelu_of_f16",
       R"(%x: f16[3,5]) { %y = gelu %x {form="erf"} : f16[3,5] return %y })", 0,
       0, {},
       kHalf},
      {"erf_v2", "%x: f32[3,5]) { %y = erf_v2 %x : f32[3,5] return %y }"},
      {"layer_norm",
       "%x: f32[3,5], %g: f32[5], %b: f32[5]) "
       "{ %y = layer_norm %x, %g, %b {eps=1e-12} : f32[3,5] return %y }"},
      {"layer_norm_of_f16",
       "%x: f16[3,5], %g: f16[5], %b: f16[5]) "
       "{ %y = layer_norm %x, %g, %b {eps=0.001} : f16[3,5] return %y }", 0,
       0, {},
       kHalf},
      {"rms_norm",
       "%x: f32[3,5], %g: f32[5]) { %y = rms_norm %x, %g {eps=0.01} : f32[3,5] return %y }"},
      {"rotary_of_pairs",
       "%x: f32[2,3,8], %c: f32[1,3,4], %s: f32[1,3,4]) "
       "{ %y = rotary %x, %c, %s {heads=2,form=\"pairs\"} : f32[2,3,8] return %y }"},
      {"rotary_of_halves",
       "%x: f32[2,3,8], %c: f32[2,3,4], %s: f32[1,3,4]) "
       "{ %y = rotary %x, %c, %s {heads=2,form=\"halves\"} : f32[2,3,8] return %y }"},
      {"quantize",
       "%x: f32[2,5]) { %s = constant {value=0.0078125} : f32[2,5] %z = constant {value=3} : "
       "i8[2,5] "
       "%y = quantize %x, %s, %z {to=\"i8\"} : i8[2,5] return %y }"},
      {"quantize_without_sign",
       "%x: f16[2,5]) { %s = constant {value=0.0078125} : f32[2,5] "
       "%z = constant {value=130} : u8[2,5] "
       "%y = quantize %x, %s, %z {to=\"u8\"} : u8[2,5] return %y }"},
      {"dequantize",
       "%x: i32[2,5], %s: f32[2,5]) { %z = constant {value=7} : i32[2,5] "
       "%y = dequantize %x, %s, %z : f32[2,5] return %y }", -100, 100},
      {"row_ends", "%x: f32[3,5]) { %y = row_ends %x : f32[3,2] return %y }"},
      {"row_ends_of_f16", "%x: f16[3,1]) { %y = row_ends %x : f32[3,2] return %y }"},
      {"segment_max",
       "%x: f32[2,6,2], %i: i32[2,6]) { %y = segment_max %x, %i : f32[2,6,2] return %y }"},
  };
}

const auto kNameOf = [](const auto& one) { return one.param.name; };
INSTANTIATE_TEST_SUITE_P(Attention, EachBody, ::testing::ValuesIn(attention_cases()), kNameOf);
INSTANTIATE_TEST_SUITE_P(Packing, EachBody, ::testing::ValuesIn(packing_cases()), kNameOf);
INSTANTIATE_TEST_SUITE_P(Other, EachBody, ::testing::ValuesIn(other_cases()), kNameOf);

// Operands of 8 bits are quantized in the graph: as inputs of a stranger's file they would be i32.
TEST(Bodies, of_matmul_integer_take_off_the_zero_points) {
  const TempFolder folder;
  const std::string text = R"(graph @f(%x: f32[2,3,4], %w: f32[4,5]) {
    %s = constant {value=0.0078125} : f32[2,3,4]
    %z = constant {value=130} : u8[2,3,4]
    %a = quantize %x, %s, %z {to="u8"} : u8[2,3,4]
    %t = constant {value=0.015625} : f32[4,5]
    %o = constant {value=-3} : i8[4,5]
    %b = quantize %w, %t, %o {to="i8"} : i8[4,5]
    %a0 = constant {value=[130,120,7,0,255,9]} : u8[2,3,1]
    %b0 = constant {value=[-3,0,1,2,-128]} : i8[1,5]
    %y = matmul_integer %a, %b, %a0, %b0 : i32[2,3,5]
    return %y
  })";
  const Graph graph = graph_of(text);
  ModelProto model = exported(graph, folder);
  EXPECT_EQ(model.functions_size(), 3);
  model.clear_metadata_props();
  std::ofstream(folder / "inlined.onnx", std::ios::binary) << model.SerializeAsString();
  const auto inlined = import_onnx(folder / "inlined.onnx", {});
  ASSERT_TRUE(inlined.ok()) << inlined.error().message;
  const std::map<std::string, Array> inputs = {
      {"x", values({DType::F32, {2, 3, 4}}, 0, 0)},
      {"w", values({DType::F32, {4, 5}},    0, 0)}
  };
  const auto wanted = interpret(graph, inputs), got = interpret(inlined->graph, inputs);
  ASSERT_TRUE(wanted.ok() && got.ok()) << got.error().message;
  EXPECT_EQ((*got)[0].data, (*wanted)[0].data);
}

// Casts and products of fp8: codes are not inputs of a stranger's file, so they are made of floats.
TEST(Bodies, of_fp8_cast_and_multiply) {
  const TempFolder folder;
  const std::string text = R"(graph @f(%x: f16[2,3,4], %w: f32[4,5]) {
    %a = scaled_cast %x {to="f143",scale=6} : f143[2,3,4]
    %b = scaled_cast %w {to="f152",scale=0} : f152[4,5]
    %y = matmul_fp8 %a, %b {scale=-6} : f16[2,3,5]
    %z = scaled_cast %a {to="f32",scale=-6} : f32[2,3,4]
    return %y, %z
  })";
  const Graph graph = graph_of(text);
  ModelProto model = exported(graph, folder);
  EXPECT_EQ(model.functions_size(), 4);
  const auto read = import_onnx(folder / "m.onnx", {});
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(print(read->graph), print(graph));
  model.clear_metadata_props();
  std::ofstream(folder / "inlined.onnx", std::ios::binary) << model.SerializeAsString();
  const auto inlined = import_onnx(folder / "inlined.onnx", {});
  ASSERT_TRUE(inlined.ok()) << inlined.error().message;
  const std::map<std::string, Array> inputs = {
      {"x", values({DType::F16, {2, 3, 4}}, 0, 0)},
      {"w", values({DType::F32, {4, 5}},    0, 0)}
  };
  const auto wanted = interpret(graph, inputs), got = interpret(inlined->graph, inputs);
  ASSERT_TRUE(wanted.ok() && got.ok()) << wanted.error().message << got.error().message;
  EXPECT_EQ((*got)[1].data, (*wanted)[1].data);
  EXPECT_EQ(difference((*got)[0], (*wanted)[0], nullptr, {1e-3, 1e-3, 1e-3}), "");
}

// One function for all that is computed alike; another has a number behind the operation's name.
TEST(Bodies, are_shared_and_read_back_as_operations) {
  const TempFolder folder;
  const std::string text = R"(graph @f(%x: f32[2,3], %g: f32[3]) {
    %a = gelu %x {form="erf"} : f32[2,3]
    %b = gelu %a {form="tanh"} : f32[2,3]
    %c = gelu %b {form="erf"} : f32[2,3]
    %d = rms_norm %c, %g {eps=1e-12} : f32[2,3]
    return %d
  })";
  const Graph graph = graph_of(text);
  const ModelProto model = exported(graph, folder);
  Names types, functions;
  for (const auto& node : model.graph().node()) types.push_back(node.op_type());
  for (const auto& function : model.functions()) functions.push_back(function.name());
  EXPECT_THAT(types, ElementsAre("Gelu", "Gelu_2", "Gelu", "RMSNormalization"));
  EXPECT_THAT(functions, ElementsAre("Gelu", "Gelu_2", "RMSNormalization"));
  const auto read = import_onnx(folder / "m.onnx", {});
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(print(read->graph), print(graph));
}

Names expands(const ModelProto& model) {
  Names names;
  for (const auto& node : model.graph().node())
    if (node.op_type() == "Expand") names.push_back(node.output(0));
  return names;
}

TEST(FoldedBroadcasts, leave_a_bias_that_is_added) {
  const TempFolder folder;
  const Graph graph = graph_of(R"(graph @f(%x: f32[2,3,4], %c: bool[3,1]) {
    %bias = constant {value=[1,2,3,4]} : f32[4]
    %wide = broadcast %bias {shape=[2,3,4]} : f32[2,3,4]
    %a = add %x, %wide : f32[2,3,4]
    %b = mul %wide, %a : f32[2,3,4]
    %zero = constant {value=0} : f32[]
    %zeros = broadcast %zero {shape=[2,3,4]} : f32[2,3,4]
    %where = broadcast %c {shape=[2,3,4]} : bool[2,3,4]
    %s = select %where, %zeros, %b : f32[2,3,4]
    return %s
  })");
  EXPECT_THAT(expands(exported(graph, folder)), ElementsAre());
  const auto read = import_onnx(folder / "m.onnx", {});
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(print(read->graph), print(graph));
}

TEST(FoldedBroadcasts, are_none_where_something_else_needs_the_shape) {
  const TempFolder folder;
  const Graph graph = graph_of(R"(graph @f(%x: f32[3,4], %v: f32[4], %w: f32[4]) {
    %a = broadcast %v {shape=[3,4]} : f32[3,4]
    %sum = reduce_sum %a {axes=[1]} : f32[3]
    %b = broadcast %v {shape=[2,4]} : f32[2,4]
    %c = broadcast %w {shape=[2,4]} : f32[2,4]
    %both = add %b, %c : f32[2,4]
    %d = broadcast %w {shape=[3,4]} : f32[3,4]
    %first = add %x, %d : f32[3,4]
    %e = broadcast %w {shape=[3,4]} : f32[3,4]
    %second = add %first, %e : f32[3,4]
    %f = broadcast %w {shape=[3,4]} : f32[3,4]
    return %sum, %both, %second, %f
  })");
  // One of b and c makes the rows of their sum; e is the same as d, whose name would be lost.
  EXPECT_THAT(expands(exported(graph, folder)), ElementsAre("a", "c", "e", "f"));
  const auto read = import_onnx(folder / "m.onnx", {});
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(print(read->graph), print(graph));
}

TEST(FoldedBroadcasts, that_a_file_only_claims_are_refused) {
  const TempFolder folder;
  const Graph graph = graph_of(R"(graph @f(%x: f32[2,3], %v: f32[3]) {
    %wide = broadcast %v {shape=[2,3]} : f32[2,3]
    %y = add %x, %wide : f32[2,3]
    return %y
  })");
  for (const int64_t rows : {int64_t{-1}, int64_t{1} << 41}) {
    ModelProto model = exported(graph, folder);
    for (auto& info : *model.mutable_graph()->mutable_value_info())
      if (info.name() == "wide")
        info.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_value(
            rows);
    std::ofstream(folder / "m.onnx", std::ios::binary) << model.SerializeAsString();
    const auto read = import_onnx(folder / "m.onnx", {});
    ASSERT_FALSE(read.ok());
    EXPECT_THAT(read.error().message, ::testing::HasSubstr("value 'wide': stretches"));
  }
}

}  // namespace
}  // namespace tessera::test
