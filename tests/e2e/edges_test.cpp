// SPDX-License-Identifier: Apache-2.0
// Models whose inputs and outputs are not what a node makes of a token: handed on, constant, said
// twice, read by nobody, or none. Through the file, on both machines and in a session, in both
// precisions, against the interpreter.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "compiler/compile.h"
#include "compiler/convert.h"
#include "executor/model_runner.h"
#include "ir/interpreter.h"
#include "session/session.h"
#include "tests/compiler/onnx/builder.h"

namespace tessera::test {
namespace {

struct Edge {
  const char* name;
  void (*build)(ModelBuilder& model);
};
void PrintTo(const Edge& edge, std::ostream* out) { *out << edge.name; }

void input_is_output(ModelBuilder& m) {
  m.input("x", TensorProto::FLOAT, "2,3").input("mask", TensorProto::INT64, "2,3");
  m.node("Relu", {"x"}, {"y"});
  m.output("y").output("mask").output("x");
}

void nothing_but_handed_on(ModelBuilder& m) {
  m.input("x", TensorProto::FLOAT, "2,3").input("b", TensorProto::BOOL, "5");
  m.output("b").output("x");
}

void handed_on_twice(ModelBuilder& m) {
  m.input("x", TensorProto::FLOAT, "").ints("shape", {1, 1});
  m.node("Identity", {"x"}, {"y"});
  m.node("Reshape", {"x", "shape"}, {"z"});
  m.output("z").output("y").output("x");
}

void constants_are_outputs(ModelBuilder& m) {
  m.input("x", TensorProto::FLOAT, "3").floats("c", {0.1f, 1e-7f, 70000}, {3});
  m.floats("s", {1.2345678f}, {});
  m.ints("i", {5, -6});
  m.node("Neg", {"x"}, {"y"});
  m.node("Neg", {"c"}, {"d"});
  m.output("c").output("i").output("y").output("d").output("s");
}

void one_value_is_two_outputs(ModelBuilder& m) {
  m.input("x", TensorProto::FLOAT, "2,3");
  m.node("Tanh", {"x"}, {"y"});
  m.node("Identity", {"y"}, {"z"});
  m.node("Tanh", {"x"}, {"w"});
  m.output("w").output("y").output("z");
}

void inputs_nobody_reads(ModelBuilder& m) {
  m.input("x", TensorProto::FLOAT, "2,3").input("u", TensorProto::FLOAT, "7");
  m.input("ids", TensorProto::INT64, "2,3");
  m.node("Tanh", {"x"}, {"y"});
  m.output("y");
}

void no_input(ModelBuilder& m) {
  m.floats("a", std::vector<float>(100, 0.25f), {10, 10});
  m.floats("b", {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, {10, 1});
  m.node("MatMul", {"a", "b"}, {"y"});
  m.node("Softmax", {"y"}, {"z"});
  m.output("y").output("z");
}

void no_node(ModelBuilder& m) {
  m.floats("c", {1, 2}, {2});
  m.output("c");
}

void optional_operands(ModelBuilder& m) {
  m.input("x", TensorProto::FLOAT, "2,3").floats("most", {0.25f}, {});
  m.node("Clip", {"x", "", "most"}, {"y"});
  m.node("Clip", {"x", "most", ""}, {"z"});
  m.output("y").output("z");
}

// Names that the compiler would give variables of its own.
void names_of_ours(ModelBuilder& m) {
  m.input("x", TensorProto::FLOAT, "1,16384").input("y/partials", TensorProto::FLOAT, "16384,16");
  m.input("x/output", TensorProto::FLOAT, "2").input("y/copy", TensorProto::FLOAT, "2");
  m.node("MatMul", {"x", "y/partials"}, {"y"});
  m.output("y").output("x").output("x/output").output("y/copy");
}

constexpr Edge kEdges[] = {
    {"input_is_output",          input_is_output         },
    {"nothing_but_handed_on",    nothing_but_handed_on   },
    {"handed_on_twice",          handed_on_twice         },
    {"constants_are_outputs",    constants_are_outputs   },
    {"one_value_is_two_outputs", one_value_is_two_outputs},
    {"inputs_nobody_reads",      inputs_nobody_reads     },
    {"no_input",                 no_input                },
    {"no_node",                  no_node                 },
    {"optional_operands",        optional_operands       },
    {"names_of_ours",            names_of_ours           },
};

Array random_array(const TensorType& type, std::mt19937& random) {
  Array array{type, {}};
  for (int64_t i = 0; i < elements(type.shape); ++i) {
    const auto whole = static_cast<double>(random() % 2);
    array.data.push_back(is_float(type.dtype) ? static_cast<float>(random() % 1000) / 7e3 : whole);
  }
  round_to_dtype(array);
  return array;
}

// A runner's inputs and outputs, by name.
struct Batch {
  std::map<std::string, Tensor> tensors;
  InputViews views;
};

Batch batch_of(const std::map<std::string, Array>& inputs) {
  Batch batch;
  for (const auto& [name, array] : inputs) {
    const Tensor& tensor = batch.tensors.emplace(name, to_tensor(array)).first->second;
    batch.views[name] = {array.type.dtype, false, array.type.shape, tensor.bytes()};
  }
  return batch;
}

using Bytes = std::map<std::string, std::vector<std::byte>>;

class Edges : public ::testing::TestWithParam<Edge> {
 protected:
  void SetUp() override {
    ModelBuilder model;
    GetParam().build(model);
    path_ = model.save(folder_);
    auto imported = import_onnx(path_, {});
    ASSERT_TRUE(imported.ok()) << imported.error().message;
    graph_ = std::move(imported->graph);
    std::mt19937 random(1);
    for (const Node* input : graph_.inputs) {
      inputs_[input->name] = random_array(input->type, random);
      if (!graph_.is_output(input)) continue;
      for (const Output& output : graph_.outputs)
        if (output.node == input) exact_.insert(output.name);
    }
    auto answers = interpret(graph_, inputs_);
    ASSERT_TRUE(answers.ok()) << answers.error().message;
    answers_ = answers.take();
  }

  void expect_answers(const Bytes& got, double tolerance) const {
    ASSERT_EQ(got.size(), graph_.outputs.size());
    for (size_t i = 0; i < answers_.size(); ++i) {
      const std::string& name = graph_.outputs[i].name;
      const Array is = to_array(Tensor::copy(answers_[i].type, got.at(name)));
      const double relative = exact_.contains(name) ? 0 : tolerance;
      for (size_t k = 0; k < is.data.size(); ++k)
        EXPECT_NEAR(is.data[k], answers_[i].data[k], relative * (1 + std::abs(answers_[i].data[k])))
            << name << " at " << k;
    }
  }

  void expect_run(const std::string& popef, MachineKind kind, double tolerance) const {
    MachineOptions options;
    options.kind = kind;
    auto runner = ModelRunner::load(popef, options);
    ASSERT_TRUE(runner.ok()) << runner.error().message;
    Bytes bytes;
    OutputViews views;
    for (const Output& output : graph_.outputs) {
      const TensorType& type = output.node->type;
      std::vector<std::byte>& buffer = bytes[output.name];
      buffer.resize(static_cast<size_t>(type.bytes()));
      views[output.name] = {type.dtype, type.shape, buffer};
    }
    const Batch batch = batch_of(inputs_);
    const Status done = (*runner)->run(batch.views, views);
    ASSERT_TRUE(done.ok()) << done.error().message;
    expect_answers(bytes, tolerance);
  }

  CompileOptions options_of(Precision precision) const {
    CompileOptions options;
    options.precision = precision;
    options.target = target_preset("test").take();
    options.target.bytes_per_tile = 4 << 20;
    return options;
  }

  const TempFolder folder_;
  std::string path_;
  Graph graph_;
  std::map<std::string, Array> inputs_;
  std::vector<Array> answers_;
  std::set<std::string> exact_;  // outputs that nothing computes
};

TEST_P(Edges, are_right_from_the_file_on_both_machines) {
  for (const auto& [precision, tolerance] :
       {std::pair(Precision::Fp32, 1e-5), std::pair(Precision::Fp16, 5e-3)}) {
    auto made = compile(path_, options_of(precision));
    ASSERT_TRUE(made.ok()) << made.error().message;
    const std::string popef = folder_ / "m.popef";
    const auto written = write_popef(made->executable, popef);
    ASSERT_TRUE(written.ok()) << written.error().message;
    expect_run(popef, MachineKind::Direct, tolerance);
    expect_run(popef, MachineKind::Isolated, tolerance);
  }
}

TEST_P(Edges, are_right_in_a_session) {
  SessionOptions options;
  options.compile = options_of(Precision::Fp32);
  options.tell = [](const std::string&) {};
  auto session = Session::open(path_, std::move(options));
  ASSERT_TRUE(session.ok()) << session.error().message;
  const Batch batch = batch_of(inputs_);
  auto outputs = (*session)->run(batch.views);
  ASSERT_TRUE(outputs.ok()) << outputs.error().message;
  Bytes bytes;
  for (auto& [name, tensor] : *outputs) bytes[name] = std::move(tensor.bytes);
  expect_answers(bytes, 1e-5);
}

TEST_P(Edges, are_right_once_converted) {
  auto converted = convert(path_, options_of(Precision::Fp32));
  ASSERT_TRUE(converted.ok()) << converted.error().message;
  const std::string again = folder_ / "again.onnx";
  const Status written = write_converted(*converted, again);
  ASSERT_TRUE(written.ok()) << written.error().message;
  auto made = compile(again, options_of(Precision::Fp32));
  ASSERT_TRUE(made.ok()) << made.error().message;
  const std::string popef = folder_ / "again.popef";
  ASSERT_TRUE(write_popef(made->executable, popef).ok());
  expect_run(popef, MachineKind::Direct, 1e-5);
}

std::string name_of(const ::testing::TestParamInfo<Edge>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(, Edges, ::testing::ValuesIn(kEdges), name_of);

}  // namespace
}  // namespace tessera::test
