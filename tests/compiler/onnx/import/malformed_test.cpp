// SPDX-License-Identifier: Apache-2.0
// Damaged models: an error or a valid graph, never a crash and never a flood of memory.
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "compiler/onnx/make/make_model.h"
#include "ir/verify.h"
#include "tests/compiler/onnx/builder.h"

namespace tessera::test {
namespace {

std::string small_model() {
  const TempFolder folder;
  EXPECT_TRUE(make_model({1, 4, 2, 4, 5, 8, 1}, folder / "m.onnx").ok());
  std::ifstream file(folder / "m.onnx", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Imports the bytes; says whether they were taken.
bool import_bytes(const TempFolder& folder, const std::string& bytes) {
  std::ofstream(folder / "m.onnx", std::ios::binary) << bytes;
  const auto model = import_onnx(folder / "m.onnx", given("input_ids", {2, 3}));
  if (!model.ok()) {
    EXPECT_TRUE(model.error().message.starts_with(folder / "m.onnx"));
    return false;
  }
  const Status verified = verify(model->graph);
  EXPECT_TRUE(verified.ok()) << verified.error().message;
  return true;
}

TEST(MalformedOnnx, cut_short_at_any_length_is_refused) {
  const TempFolder folder;
  const std::string whole = small_model();
  ASSERT_TRUE(import_bytes(folder, whole));
  for (size_t length = 0; length < whole.size(); length += 13)
    EXPECT_FALSE(import_bytes(folder, whole.substr(0, length))) << length;
}

TEST(MalformedOnnx, changed_bytes_never_crash_it) {
  const TempFolder folder;
  const std::string whole = small_model();
  std::mt19937_64 random(1);
  int taken = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = whole;
    for (uint64_t flips = 1 + random() % 3; flips > 0; --flips)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    taken += import_bytes(folder, damaged);
  }
  EXPECT_LT(taken, 2000);
  EXPECT_GT(taken, 0);
}

// An operand that is left out stands as "" in a node, or as an input that the call of a function
// leaves out.
TEST(MalformedOnnx, an_operand_that_is_left_out_among_many_is_refused) {
  for (const bool in_function : {false, true}) {
    for (const char* const op : {"Concat", "Einsum", "Max", "Mean", "Min", "Sum"}) {
      ModelBuilder m;
      m.input("x", TensorProto::FLOAT, "4").output("y");
      ::onnx::NodeProto& node = m.node(op, {"x", in_function ? "missing" : "", "x"}, {"y"});
      if (std::string(op) == "Concat") {
        auto& axis = *node.add_attribute();
        axis.set_name("axis");
        axis.set_type(::onnx::AttributeProto::INT);
      } else if (std::string(op) == "Einsum") {
        auto& equation = *node.add_attribute();
        equation.set_name("equation");
        equation.set_type(::onnx::AttributeProto::STRING);
        equation.set_s("i,i,i->i");
      }
      if (in_function) {
        ::onnx::FunctionProto& function = *m.model.add_functions();
        function.set_name("Body");
        function.set_domain("own");
        function.add_input("x");
        function.add_input("missing");
        function.add_output("y");
        function.add_opset_import()->set_version(13);
        *function.add_node() = node;
        node.Clear();
        node.set_op_type("Body");
        node.set_domain("own");
        node.add_input("x");
        node.add_output("y");
      }
      const TempFolder folder;
      const auto model = import_onnx(m.save(folder), {});
      ASSERT_FALSE(model.ok()) << op;
      EXPECT_NE(model.error().message.find("(" + std::string(op) +
                                           "): input 1 is left out, must be given"),
                std::string::npos)
          << model.error().message;
    }
  }
}

// An ai.graphcore operation needs all its operands. No table says so for each of them.
TEST(MalformedOnnx, an_operand_that_is_left_out_of_an_own_operation_is_refused) {
  ModelBuilder m;
  m.input("q", TensorProto::FLOAT, "1,2,4").input("bias", TensorProto::FLOAT, "1,1,2,2");
  m.output("y");
  ::onnx::NodeProto& node = m.node("Attention", {"q", "q", "q", "", "bias"}, {"y"});
  node.set_domain("ai.graphcore");
  const auto add = [&](const char* name, ::onnx::AttributeProto::AttributeType type) {
    auto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(type);
    return &attribute;
  };
  add("heads", ::onnx::AttributeProto::INT)->set_i(1);
  add("scale", ::onnx::AttributeProto::FLOAT)->set_f(1);
  add("mask", ::onnx::AttributeProto::STRING)->set_s("segments");
  const TempFolder folder;
  const auto model = import_onnx(m.save(folder), {});
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.error().message.find("input 3 is left out, must be given"), std::string::npos)
      << model.error().message;
}

}  // namespace
}  // namespace tessera::test
