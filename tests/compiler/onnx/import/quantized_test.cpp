// SPDX-License-Identifier: Apache-2.0
// Quantized operations. The answers of com.microsoft's are those of ONNX Runtime 1.32 on its CPU,
// of operands that pattern() makes; ONNX's own are held by its node tests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ir/interpreter.h"
#include "tests/compiler/onnx/builder.h"

namespace tessera::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::istringstream list(text);
  for (std::string part; std::getline(list, part, by);) parts.push_back(part);
  return parts;
}

Shape shape_of(const std::string& dims) {
  Shape shape;
  for (const std::string& dim : split(dims, ',')) shape.push_back(std::stoll(dim));
  return shape;
}

// Kind f: floats; s: scales; u, i: all that a byte holds.
double pattern(char kind, int64_t seed, int64_t i) {
  const double number = static_cast<double>((i * 5 + seed * 3) % 11 - 5) / 4;
  const auto byte = static_cast<double>((i * 37 + seed * 11) % 256);
  if (kind == 'f') return number;
  if (kind == 's') return static_cast<float>(std::abs(number)) * 0.01F + 0.005F;
  return kind == 'u' ? byte : byte - 128;
}

int32_t type_of(char kind) {
  if (kind == 'u') return TensorProto::UINT8;
  if (kind == 'i') return TensorProto::INT8;
  return kind == 'm' ? TensorProto::INT32 : TensorProto::FLOAT;
}

// A model of one node, whose operands are a list: "x:f:2,3" of pattern(1), the next of pattern(2);
// "m:m:2:3,4" of those integers; "_" left out.
struct OneNode {
  ModelBuilder model{17};
  std::map<std::string, Array> inputs;

  OneNode(const std::string& op, const std::string& operands, const std::string& attributes) {
    auto& import = *model.model.add_opset_import();
    import.set_domain("com.microsoft");
    import.set_version(1);
    Names names;
    int64_t seed = 0;
    for (const std::string& operand : split(operands, ' ')) {
      names.push_back(operand == "_" ? "" : operand.substr(0, 1));
      if (operand != "_") add_input(split(operand, ':'), ++seed);
    }
    ::onnx::NodeProto& node = model.node(op, names, {"y"});
    node.set_domain("com.microsoft");
    for (const std::string& text : split(attributes, ' ')) {
      auto& attribute = *node.add_attribute();
      attribute.set_name(split(text, '=')[0]);
      attribute.set_type(::onnx::AttributeProto::INT);
      attribute.set_i(std::stoll(split(text, '=')[1]));
    }
    model.output("y");
  }

  void add_input(const std::vector<std::string>& parts, int64_t seed) {
    const char kind = parts[1][0];
    const std::string dims = parts.size() > 2 ? parts[2] : "";
    model.input(parts[0], type_of(kind), dims);
    const bool is_float = kind == 'f' || kind == 's';
    Array array{
        {is_float ? DType::F32 : DType::I32, shape_of(dims)},
        {}
    };
    for (int64_t i = 0; i < elements(array.type.shape); ++i)
      array.data.push_back(kind == 'm' ? std::stod(split(parts[3], ',')[static_cast<size_t>(i)])
                                       : pattern(kind, seed, i));
    inputs[parts[0]] = array;
  }

  Expected<std::vector<double>> answers() const {
    const TempFolder folder;
    const ImportedModel read = TRY(import_onnx(model.save(folder), {}));
    return TRY(interpret(read.graph, inputs))[0].data;
  }
};

struct Recorded {
  const char *name, *op, *operands, *attributes;
  std::vector<double> answers;
};

// clang-format off
const std::vector<Recorded> kRecorded = {
    {"dynamic_matmul", "DynamicQuantizeMatMul", "x:f:2,3,4 w:i:4,5 s:s:", "",
     {1.11603, 1.11603, -1.74515, -1.74515, 1.11603, 1.74265, 0.638088, -1.44529, -2.54985, 1.12676, -1.68926, -0.862206, 0.943677, 1.77074, -1.24221, -1.06265, -1.34015, 1.24353, 0.966029, -1.23147, -3.05735, -2.91588, 2.00676, 2.14824, 2.28971, 0.826177, 1.37574, -1.91471, -1.36515, 1.10441}},
    {"dynamic_matmul_of_columns", "DynamicQuantizeMatMul", "x:f:3,4 w:u:4,5 s:s:5 z:u:5 b:f:5", "",
     {0.86603, 1.74402, -1.95429, -0.704289, -0.00598043, -1.015, 0.49, -1.95319, -0.703186, 1.2749, -0.0616176, 1.12559, 0.472672, 1.72267, -2.53186}},
    {"to_float", "MatMulIntegerToFloat", "x:u:2,3,4 w:i:4,5 p:s: q:s: z:u:", "",
     {0.02925, 0.4122, 1.19835, 1.5813, 0.23625, 0.92745, 4.1076, -0.83385, 2.3463, -4.72635, -0.70875, 1.0062, 0.82035, 2.5353, 0.21825, -0.27135, 2.1096, -5.93505, -3.5541, 1.01565, -1.44675, 1.6002, 0.44235, 3.4893, 0.20025, -5.55975, -3.978, -0.38025, 1.2015, 2.66805}},
    {"to_float_of_columns", "MatMulIntegerToFloat", "x:u:3,4 w:i:4,5 p:s: q:s:5 z:u: k:i:5 b:f:5", "",
     {1.92095, 0.085475, 2.25317, -0.14195, -0.0128249, 7.50635, 2.87818, -1.17612, -1.12175, -13.3877, 3.41495, 0.832475, 1.30817, -0.41195, -3.64582}},
    {"to_float_signed", "MatMulIntegerToFloat", "x:i:3,4 w:i:4,5 p:s: q:s: z:i: k:i: b:f:5", "",
     {1.92095, 0.8039, 2.84005, 1.723, 1.62795, 7.50635, 9.1865, 5.49505, 7.1752, 1.35255, 3.41495, 3.6299, 4.69405, 4.909, 3.84195}},
    {"attention", "QAttention", "x:u:2,3,4 w:i:4,12 b:f:12 p:s: q:s: m:m:2:2,3 z:u: k:i:", "num_heads=2",
     {0.220538, 1.85396, -2.28992, 0.159738, 3.37217, 2.43682, -2.32777, 0.145795, 1.86603, 2.15828, -2.32743, 0.14592, 0.564364, 0.27528, 1.07733, 2.80423, 0.749938, 0.0988582, 0.386365, 2.46108, 2.1291, 3.09028, 0.533646, 2.54308}},
    {"attention_of_columns", "QAttention", "x:u:2,3,4 w:i:4,12 b:f:12 p:s: q:s:12 _ z:u: k:i:12", "num_heads=2 unidirectional=1",
     {0.445725, 1.72295, 0.128525, 1.16223, 5.95461, 0.521671, 0.128411, 1.16218, 0.690126, 1.66533, -14.1021, -4.9366, 3.18832, -1.10305, -5.19287, -1.11838, 3.18833, -1.10295, -5.69405, -1.33316, 3.37654, 1.02681, -1.11312, 0.630091}},
    {"add", "QLinearAdd", "a:u:2,3 p:s: i:u: b:u:3 q:s: j:u: r:s: l:u:", "",
     {69, 101, 133, 117, 148, 180}},
    {"mul", "QLinearMul", "a:i:2,3 p:s: i:i: b:i:2,3 q:s: j:i: r:s: l:i:", "",
     {-38, -39, -31, -15, 11, 45}},
    {"sigmoid", "QLinearSigmoid", "a:u:2,3 p:s: i:u: r:s: l:u:", "",
     {86, 90, 95, 99, 103, 107}},
    {"softmax", "QLinearSoftmax", "a:u:2,3 p:s: i:u: r:s: l:u:", "axis=-1 opset=13",
     {71, 76, 83, 71, 76, 83}},
};
// clang-format on

// ONNX Runtime looks sigmoid and softmax up in tables of its own.
double tolerance_of(const Recorded& row, double answer) {
  const std::string op = row.op;
  if (op == "QLinearSigmoid" || op == "QLinearSoftmax") return 1;
  return op.starts_with("QLinear") ? 0 : 1e-5 * (1 + std::abs(answer));
}

TEST(Quantized, agrees_with_answers_of_onnx_runtime) {
  for (const Recorded& row : kRecorded) {
    SCOPED_TRACE(row.name);
    const auto given = OneNode(row.op, row.operands, row.attributes).answers();
    ASSERT_TRUE(given.ok()) << given.error().message;
    ASSERT_EQ(given->size(), row.answers.size());
    for (size_t i = 0; i < row.answers.size(); ++i)
      EXPECT_NEAR((*given)[i], row.answers[i], tolerance_of(row, row.answers[i]));
  }
}

TensorProto& bytes(ModelBuilder& m, const std::string& name, int32_t type,
                   const std::vector<int32_t>& values, const Ints& dims) {
  TensorProto& tensor = *m.graph().add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(type);
  for (const int64_t dim : dims) tensor.add_dims(dim);
  for (const int32_t value : values) tensor.add_int32_data(value);
  return tensor;
}

std::vector<double> answer(const ModelBuilder& model, const std::map<std::string, Array>& inputs) {
  const TempFolder folder;
  const auto read = import_onnx(model.save(folder), {});
  if (!read.ok()) {
    ADD_FAILURE() << read.error().message;
    return {};
  }
  const auto out = interpret(read->graph, inputs);
  EXPECT_TRUE(out.ok()) << out.error().message;
  return out.ok() ? (*out)[0].data : std::vector<double>();
}

// Weights of int8 take a byte each, also where they are moved before they are used.
TEST(Quantized, constants_stay_bytes_until_they_are_computed_with) {
  ModelBuilder m(17);
  m.input("i", TensorProto::INT64, "2");
  bytes(m, "table", TensorProto::INT8, {1, -2, 3, -4}, {2, 2});
  m.floats("scale", {0.5}, {});
  m.node("Gather", {"table", "i"}, {"rows"});
  m.node("DequantizeLinear", {"rows", "scale"}, {"y"});
  m.output("y");
  EXPECT_THAT(imported(m), HasSubstr("constant {value=[1,-2,3,-4]} : i8[2,2]"));
  EXPECT_THAT(imported(m), HasSubstr("gather %table, %i {axis=0} : i8[2,2]"));
  EXPECT_THAT(answer(m,
                     {
                         {"i", {{DType::I32, {2}}, {1, 0}}}
  }),
              ElementsAre(1.5, -2, 0.5, -1));
}

TEST(Quantized, outputs_of_bytes_are_i32) {
  ModelBuilder m(17);
  m.input("x", TensorProto::FLOAT, "3");
  m.floats("scale", {2}, {});
  bytes(m, "zero", TensorProto::INT8, {1}, {});
  m.node("QuantizeLinear", {"x", "scale", "zero"}, {"y"});
  m.output("y", TensorProto::INT8, "3");
  EXPECT_THAT(imported(m), HasSubstr("cast %y {to=\"i32\"} : i32[3]"));
  EXPECT_THAT(answer(m,
                     {
                         {"x", {{DType::F32, {3}}, {1, 3, -999}}}
  }),
              ElementsAre(1, 3, -128));
}

TEST(Quantized, results_that_are_not_named_are_dropped) {
  const TempFolder folder;
  ModelBuilder m;
  m.input("x", TensorProto::FLOAT, "2,3").output("q");
  m.node("DynamicQuantizeLinear", {"x"}, {"q"});
  EXPECT_TRUE(import_onnx(m.save(folder), {}).ok());
}

TEST(Quantized, a_block_has_a_scale_of_its_own) {
  ModelBuilder m(21);
  bytes(m, "x", TensorProto::UINT8, {1, 2, 3, 4, 5}, {1, 5});
  m.floats("scale", {1, 10, 100}, {1, 3});
  auto& node = m.node("DequantizeLinear", {"x", "scale"}, {"y"});
  for (const auto& [name, value] : {std::pair("axis", 1), std::pair("block_size", 2)}) {
    auto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(::onnx::AttributeProto::INT);
    attribute.set_i(value);
  }
  m.output("y");
  EXPECT_THAT(answer(m, {}), ElementsAre(1, 2, 30, 40, 500));
}

std::string refusal(const std::string& op, const std::string& operands) {
  return imported(OneNode(op, operands, "").model);
}

TEST(Quantized, refuses_types_and_shapes_that_do_not_fit) {
  EXPECT_EQ(refusal("DynamicQuantizeMatMul", "x:f:2,3 w:f:3,4 s:s:"),
            "node 'n' (DynamicQuantizeMatMul): input 1 is of float32, must be of int8 or uint8");
  EXPECT_EQ(refusal("QuantizeLinear", "x:f:2,3 s:s:2 z:u:2"),
            "node 'n' (QuantizeLinear): scale or zero point is f32[2], must have one number, or "
            "one for each of the 3 along axis 1");
  EXPECT_EQ(refusal("QuantizeLinear", "x:f: s:s:2 z:u:2"),
            "node 'n' (QuantizeLinear): scale or zero point is f32[2], must have one number as the "
            "input has");
  EXPECT_EQ(
      refusal("QuantizeLinear", "x:f:2,2 s:s: z:u:2"),
      "node 'n' (QuantizeLinear): zero point is i32[2] beside a scale of 1, must have as many "
      "numbers");
  EXPECT_EQ(refusal("DequantizeLinear", "x:f:2,3 s:s:"),
            "node 'n' (DequantizeLinear): input is of float32, must be of int8, uint8 or int32");
  EXPECT_EQ(refusal("MatMulIntegerToFloat", "x:u:2,3 w:i:3,4 p:s: q:s: z:i:"),
            "node 'n' (MatMulIntegerToFloat): zero point (input 4) is i8[], must be of u8 as what "
            "it is for");
}

}  // namespace
}  // namespace tessera::test
