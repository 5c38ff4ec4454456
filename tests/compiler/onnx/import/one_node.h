// SPDX-License-Identifier: Apache-2.0
// A model of one node with inputs as operands, values for them, and what it gives: for tests that
// compare an operation with its definition.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "ir/interpreter.h"
#include "passes/pipeline.h"
#include "tests/compiler/onnx/builder.h"

namespace tessera::test {

inline constexpr int32_t kFloat = TensorProto::FLOAT;

using Numbers = std::map<std::string, double>;

// Whole numbers become attributes of kind int, unless their name is that of a float.
inline void set_attributes(::onnx::NodeProto& node, const Numbers& numbers) {
  for (const auto& [name, value] : numbers) {
    auto& attribute = *node.add_attribute();
    attribute.set_name(name);
    const bool real = name == "scale" || name == "softcap" || name == "epsilon" || name == "alpha";
    attribute.set_type(real ? ::onnx::AttributeProto::FLOAT : ::onnx::AttributeProto::INT);
    if (real)
      attribute.set_f(static_cast<float>(value));
    else
      attribute.set_i(static_cast<int64_t>(value));
  }
}

struct Operand {
  std::string name;  // "": left out
  int32_t type = kFloat;
  Shape shape;
};

inline std::string dims(const Shape& shape) {
  std::string text;
  for (const int64_t size : shape) text += (text.empty() ? "" : ",") + std::to_string(size);
  return text;
}

inline ModelBuilder one_node(const std::string& op, int opset, const std::vector<Operand>& operands,
                             const Numbers& attributes, const Names& outputs = {"y"}) {
  ModelBuilder m(opset);
  Names in;
  for (const Operand& one : operands) {
    in.push_back(one.name);
    if (!one.name.empty()) m.input(one.name, one.type, dims(one.shape));
  }
  set_attributes(m.node(op, in, outputs), attributes);
  for (const std::string& name : outputs)
    if (!name.empty()) m.output(name);
  return m;
}

// Numbers that have no order, from -1 to 1; of bools about half, of ids below 7.
inline std::map<std::string, Array> values_of(const std::vector<Operand>& operands) {
  std::map<std::string, Array> values;
  uint64_t seed = 1;
  for (const Operand& one : operands) {
    if (one.name.empty()) continue;
    const bool floats = one.type == kFloat, bools = one.type == TensorProto::BOOL;
    Array array{
        {floats  ? DType::F32
         : bools ? DType::Bool
                 : DType::I32,
         one.shape},
        {}
    };
    for (int64_t i = 0; i < elements(one.shape); ++i) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      const auto bits = static_cast<double>(seed >> 40) / (1 << 24);
      array.data.push_back(floats ? 2 * bits - 1 : bools ? bits < 0.6 : std::floor(bits * 7));
    }
    values[one.name] = array;
  }
  return values;
}

inline void expect_near(const std::vector<double>& got, const std::vector<double>& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 1e-5) << i;
}

inline std::vector<Array> run(const ModelBuilder& m, const std::map<std::string, Array>& inputs) {
  const TempFolder folder;
  const auto model = import_onnx(m.save(folder), {});
  EXPECT_TRUE(model.ok()) << model.error().message;
  if (!model.ok()) return {};
  auto results = interpret(model->graph, inputs);
  EXPECT_TRUE(results.ok()) << results.error().message;
  return results.ok() ? results.take() : std::vector<Array>{};
}

inline double number(const Numbers& numbers, const std::string& name, double otherwise) {
  const auto found = numbers.find(name);
  return found == numbers.end() ? otherwise : found->second;
}

// Element [b,h,s,d] of a value by heads, [batch,heads,sequence,depth] or [batch,sequence,hidden].
struct ByHeads {
  const Array& array;
  int64_t heads;
  double at(int64_t b, int64_t h, int64_t s, int64_t d) const {
    const Shape& shape = array.type.shape;
    if (shape.size() == 4) return array.data[((b * shape[1] + h) * shape[2] + s) * shape[3] + d];
    return array.data[(b * shape[1] + s) * shape[2] + h * depth() + d];
  }
  int64_t depth() const {
    const Shape& shape = array.type.shape;
    return shape.size() == 4 ? shape[3] : shape[2] / heads;
  }
  int64_t tokens() const { return array.type.shape[array.type.shape.size() == 4 ? 2 : 1]; }
};

inline std::string after_passes(const ModelBuilder& m) {
  const TempFolder folder;
  auto model = import_onnx(m.save(folder), {});
  EXPECT_TRUE(model.ok()) << model.error().message;
  if (!model.ok()) return "";
  PassState state;
  const auto done = run_passes(model->graph, state, {}, {}, "");
  EXPECT_TRUE(done.ok()) << done.error().message;
  return print(model->graph);
}

}  // namespace tessera::test
