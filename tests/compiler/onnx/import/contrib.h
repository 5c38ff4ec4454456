// SPDX-License-Identifier: Apache-2.0
// Models of one node of com.microsoft's, written as a line.
#pragma once

#include <gtest/gtest.h>

#include <cctype>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "ir/interpreter.h"
#include "tests/compiler/onnx/builder.h"

namespace tessera::test {

inline constexpr int32_t kFloat = TensorProto::FLOAT;
inline constexpr int32_t kInt32 = TensorProto::INT32;
inline constexpr int32_t kInt64 = TensorProto::INT64;

inline std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::istringstream list(text);
  for (std::string part; std::getline(list, part, by);) parts.push_back(part);
  return parts;
}

inline Array pattern(int64_t seed, const Shape& shape) {
  Array array{
      {DType::F32, shape},
      {}
  };
  for (int64_t i = 0; i < elements(shape); ++i)
    array.data.push_back(static_cast<double>((i * 5 + seed * 3) % 11 - 5) / 4);
  return array;
}

inline Shape shape_of(const std::string& dims) {
  Shape shape;
  for (const std::string& dim : split(dims, ',')) shape.push_back(std::stoll(dim));
  return shape;
}

inline void set_attribute(::onnx::NodeProto& node, const std::string& text) {
  const std::vector<std::string> parts = split(text, '=');
  auto& attribute = *node.add_attribute();
  attribute.set_name(parts[0]);
  const std::string& value = parts[1];
  if (value.find(',') != std::string::npos) {
    attribute.set_type(::onnx::AttributeProto::INTS);
    for (const int64_t one : shape_of(value)) attribute.add_ints(one);
  } else if (value.find('.') != std::string::npos) {
    attribute.set_type(::onnx::AttributeProto::FLOAT);
    attribute.set_f(std::stof(value));
  } else if (std::isalpha(static_cast<unsigned char>(value[0]))) {
    attribute.set_type(::onnx::AttributeProto::STRING);
    attribute.set_s(value);
  } else {
    attribute.set_type(::onnx::AttributeProto::INT);
    attribute.set_i(std::stoll(value));
  }
}

// A model of one node with a list of operands: "x:2,3" of floats of pattern(1), then of pattern(2);
// "m=1,0@2" of integers in a shape (int64 if it is "p"); "_" left out. ":Op" is ONNX's own.
struct OneNode {
  ModelBuilder model{17};
  std::map<std::string, Array> inputs;

  OneNode(const std::string& op, const std::string& operands, const std::string& attributes,
          const Names& outputs = {"y"}) {
    auto& import = *model.model.add_opset_import();
    import.set_domain("com.microsoft");
    import.set_version(1);
    Names names;
    int64_t seed = 0;
    for (const std::string& operand : split(operands, ' ')) {
      const std::string name = operand == "_" ? "" : operand.substr(0, operand.find_first_of(":="));
      names.push_back(name);
      if (name.empty()) continue;
      const std::string rest = operand.substr(name.size() + 1);
      const bool floats = operand[name.size()] == ':';
      const std::string dims = floats ? rest : split(rest, '@')[1];
      model.input(name, floats ? kFloat : name == "p" ? kInt64 : kInt32, dims);
      if (floats) {
        inputs[name] = pattern(++seed, shape_of(dims));
        continue;
      }
      const Shape values = shape_of(split(rest, '@')[0]);
      inputs[name] = {
          {DType::I32,     shape_of(dims)},
          {values.begin(), values.end()  }
      };
    }
    const bool own = op[0] == ':';
    ::onnx::NodeProto& node = model.node(own ? op.substr(1) : op, names, outputs);
    if (!own) node.set_domain("com.microsoft");
    for (const std::string& attribute : split(attributes, ' ')) set_attribute(node, attribute);
    for (const std::string& output : outputs)
      if (!output.empty()) model.output(output);
  }

  Expected<std::vector<std::vector<double>>> answers() const {
    const TempFolder folder;
    const ImportedModel read = TRY(import_onnx(model.save(folder), {}));
    std::vector<std::vector<double>> all;
    for (const Array& output : TRY(interpret(read.graph, inputs))) all.push_back(output.data);
    return all;
  }
};

inline std::string refusal(const std::string& op, const std::string& operands,
                           const std::string& attributes, const Names& outputs = {"y"}) {
  return imported(OneNode(op, operands, attributes, outputs).model);
}

inline std::vector<double> first_answer(const OneNode& node) {
  const auto answers = node.answers();
  EXPECT_TRUE(answers.ok()) << answers.error().message;
  return answers.ok() ? (*answers)[0] : std::vector<double>();
}

}  // namespace tessera::test
