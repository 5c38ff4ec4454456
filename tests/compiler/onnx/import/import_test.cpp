// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/import/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/sha256.h"
#include "tests/compiler/onnx/builder.h"

namespace tessera::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int32_t kFloat = TensorProto::FLOAT;
constexpr int32_t kInt64 = TensorProto::INT64;

ModelBuilder add_of(const std::string& a, const std::string& b) {
  ModelBuilder m;
  m.input("a", kFloat, a).input("b", kFloat, b).output("y");
  m.node("Add", {"a", "b"}, {"y"}, "sum");
  return m;
}

TEST(OnnxImport, a_broadcast_is_a_node) {
  EXPECT_EQ(imported(add_of("2,3", "3")),
            "graph @main(%a: f32[2,3], %b: f32[3]) {\n"
            "  %broadcast = broadcast %b {shape=[2,3]} : f32[2,3]\n"
            "  %y = add %a, %broadcast : f32[2,3]\n"
            "  return %y\n"
            "}\n");
}

TEST(OnnxImport, what_does_not_broadcast_is_refused_by_node) {
  EXPECT_EQ(imported(add_of("2,3", "4")),
            "node 'sum' (Add): inputs are f32[2,3] and f32[4], which must broadcast to one shape");
}

TEST(OnnxImport, a_variable_dimension_must_be_fixed) {
  EXPECT_EQ(imported(add_of("batch,sequence", "1")),
            "input 'a': axis 0 is 'batch', must be fixed: give --input_shape a=N,N");
  EXPECT_EQ(imported(add_of("2,-1", "1")),
            "input 'a': axis 1 is variable, must be fixed: give --input_shape a=N,N");
}

TEST(OnnxImport, one_input_fixes_a_symbol_for_all) {
  EXPECT_THAT(imported(add_of("batch,4", "batch,1"), given("a", {2, 4})),
              HasSubstr("graph @main(%a: f32[2,4], %b: f32[2,1])"));
}

TEST(OnnxImport, a_symbol_with_two_sizes_is_only_a_warning) {
  const TempFolder folder;
  const std::string path = add_of("n,1", "n").save(folder);
  std::map<std::string, Shape> shapes = given("a", {2, 1});
  shapes["b"] = {3};
  const auto model = import_onnx(path, shapes);
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_THAT(model->warnings,
              ElementsAre(path + ": input 'b': axis 0 is 'n', which is 2 elsewhere and 3 here"));
}

TEST(OnnxImport, a_known_dimension_cannot_be_changed) {
  EXPECT_EQ(imported(add_of("2,n", "1"), given("a", {4, 3})),
            "input 'a': axis 0 is given as 4, must be 2 as the model declares");
  EXPECT_EQ(imported(add_of("2,n", "1"), given("a", {2})),
            "input 'a': shape is given as [2], must have the 2 axes that the model declares");
}

TEST(OnnxImport, an_unknown_input_is_a_usage_error_that_lists_them) {
  const TempFolder folder;
  const auto model = import_onnx(add_of("2", "2").save(folder), given("ids", {2}));
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().kind, ErrorKind::Usage);
  EXPECT_THAT(model.error().message, HasSubstr("has no input 'ids', must be one of a, b"));
}

TEST(OnnxImport, a_type_that_we_do_not_hold_is_refused_by_name) {
  ModelBuilder m;
  m.input("a", TensorProto::DOUBLE, "2").output("a");
  EXPECT_EQ(
      imported(m),
      "input 'a': is of float64, must be of float32, float16, bfloat16, int32, int64 or bool");
}

TEST(OnnxImport, an_initializer_makes_an_input_constant) {
  ModelBuilder m = add_of("2", "n");
  m.floats("b", {1, 2}, {2});
  EXPECT_EQ(imported(m),
            "graph @main(%a: f32[2]) {\n"
            "  %b = constant {value=[1,2]} : f32[2]\n"
            "  %y = add %a, %b : f32[2]\n"
            "  return %y\n"
            "}\n");
}

// As exporters write it: sizes read from a shape, put beside others, and a reshape to them.
TEST(OnnxImport, shape_arithmetic_is_settled) {
  ModelBuilder m;
  m.input("x", kFloat, "batch,6").output("y");
  m.ints("zero", {0}, true).ints("axes", {0}).ints("rest", {3, -1});
  m.node("Shape", {"x"}, {"shape"});
  set_attribute(m.node("Gather", {"shape", "zero"}, {"batch_size"}), "axis", int64_t{0});
  m.node("Unsqueeze", {"batch_size", "axes"}, {"list"});
  set_attribute(m.node("Concat", {"list", "rest"}, {"to"}), "axis", int64_t{0});
  m.node("Reshape", {"x", "to"}, {"y"});
  EXPECT_EQ(imported(m, given("x", {4, 6})),
            "graph @main(%x: f32[4,6]) {\n"
            "  %y = reshape %x {shape=[4,3,2]} : f32[4,3,2]\n"
            "  return %y\n"
            "}\n");
}

TEST(OnnxImport, a_table_looked_up_by_constants_survives) {
  ModelBuilder m;
  m.floats("table", std::vector<float>(200, 0.5f), {10, 20});
  m.ints("ids", {0, 1, -1}).output("y");
  m.node("Gather", {"table", "ids"}, {"y"});
  EXPECT_THAT(imported(m), HasSubstr("%y = gather %table, %constant {axis=0} : f32[3,20]"));
}

TEST(OnnxImport, a_constant_index_out_of_range_is_refused) {
  ModelBuilder m;
  m.input("x", kFloat, "10").ints("at", {10}).output("y");
  m.node("Gather", {"x", "at"}, {"y"}, "pick");
  EXPECT_EQ(imported(m), "node 'pick' (Gather): index is 10, must be within the 10 of axis 0");
}

TEST(OnnxImport, the_largest_int64_is_a_bound_and_nothing_else) {
  ModelBuilder m;
  m.input("x", kFloat, "5").output("y");
  m.ints("start", {1}).ints("end", {INT64_MAX});
  m.node("Slice", {"x", "start", "end"}, {"y"});
  EXPECT_THAT(imported(m), HasSubstr("slice %x {size=[4], start=[1], step=[1]} : f32[4]"));

  ModelBuilder n;
  n.input("x", kInt64, "1").ints("end", {INT64_MAX}).output("y");
  n.node("Add", {"x", "end"}, {"y"}, "sum");
  EXPECT_EQ(imported(n),
            "node 'sum' (Add): an operand holds 9223372036854775807, must be within int32");
}

TEST(OnnxImport, shape_arithmetic_that_leaves_int32_is_refused) {
  ModelBuilder m;
  m.ints("a", {1 << 20}).output("y");
  m.node("Mul", {"a", "a"}, {"y"}, "square");
  EXPECT_THAT(imported(m), HasSubstr("node 'square' (Mul): "));
  EXPECT_THAT(imported(m), HasSubstr("1099511627776"));
}

TEST(OnnxImport, a_bound_that_depends_on_an_input_is_refused) {
  ModelBuilder m;
  m.input("x", kFloat, "4").input("shape", kInt64, "1").output("y");
  m.node("Reshape", {"x", "shape"}, {"y"}, "r");
  EXPECT_EQ(imported(m),
            "node 'r' (Reshape): shape (input 1) depends on the model's inputs, must be constant");
}

TEST(OnnxImport, nodes_are_sorted) {
  ModelBuilder m;
  m.input("x", kFloat, "2").output("y");
  m.node("Exp", {"t"}, {"y"});
  m.node("Neg", {"x"}, {"t"});
  EXPECT_THAT(imported(m), HasSubstr("%y = exp %t"));
}

TEST(OnnxImport, a_cycle_is_refused) {
  ModelBuilder m;
  m.input("x", kFloat, "2").output("y");
  m.node("Add", {"x", "y"}, {"t"}, "first");
  m.node("Exp", {"t"}, {"y"}, "second");
  EXPECT_EQ(imported(m), "node 'first' (Add): depends on its own result, must be part of no cycle");
}

TEST(OnnxImport, a_value_has_one_source) {
  ModelBuilder twice = add_of("2", "2");
  twice.node("Exp", {"a"}, {"y"}, "again");
  EXPECT_EQ(imported(twice),
            "node 'again' (Exp): result 'y' exists already, must be the only one of its name");

  ModelBuilder none;
  none.input("x", kFloat, "2").output("y");
  none.node("Exp", {"z"}, {"y"}, "e");
  EXPECT_EQ(imported(none),
            "node 'e' (Exp): input 'z' is produced by nothing, must be a node's "
            "result, an input or a constant");
}

TEST(OnnxImport, an_unknown_op_is_refused_unless_nothing_needs_it) {
  ModelBuilder m;
  m.input("x", kFloat, "2").output("y");
  m.node("GRU", {"x"}, {"y"}, "cell");
  EXPECT_THAT(imported(m), HasSubstr("node 'cell' (GRU): is not supported"));

  ModelBuilder dead;
  dead.input("x", kFloat, "2").output("y");
  dead.node("GRU", {"x"}, {"unused"});
  dead.node("Relu", {"x"}, {"y"});
  EXPECT_THAT(imported(dead), HasSubstr("return %y"));
}

TEST(OnnxImport, a_loop_is_refused_whatever_names_it_shadows) {
  ModelBuilder m;
  m.input("x", kFloat, "2").output("y");
  auto& loop = m.node("Loop", {"", "", "x"}, {"y"}, "l");
  auto* body = loop.add_attribute();
  body->set_name("body");
  body->set_type(::onnx::AttributeProto::GRAPH);
  body->mutable_g()->add_input()->set_name("y");
  body->mutable_g()->add_output()->set_name("y");
  EXPECT_THAT(imported(m), HasSubstr("node 'l' (Loop): is not supported"));
}

::onnx::NodeProto& add_branch(::onnx::NodeProto& node, const char* name, const char* op) {
  auto* branch = node.add_attribute();
  branch->set_name(name);
  branch->set_type(::onnx::AttributeProto::GRAPH);
  branch->mutable_g()->add_output()->set_name(std::string(name) + "_out");
  auto* inner = branch->mutable_g()->add_node();
  inner->set_op_type(op);
  inner->add_input("x");
  inner->add_output(std::string(name) + "_out");
  return *inner;
}

ModelBuilder if_of(const std::string& condition) {
  ModelBuilder m;
  m.input("x", kFloat, "2").output("y");
  auto& node = m.node("If", {condition}, {"y"}, "choice");
  add_branch(node, "then_branch", "Exp");
  add_branch(node, "else_branch", "Sqrt");
  return m;
}

TEST(OnnxImport, an_if_that_shapes_decide_becomes_its_branch) {
  ModelBuilder m = if_of("none");
  m.ints("one", {1});
  m.node("Size", {"x"}, {"size"});
  m.node("Less", {"size", "one"}, {"none"});
  EXPECT_THAT(imported(m), HasSubstr("%else_branch_out = sqrt %x"));
}

TEST(OnnxImport, an_if_that_inputs_decide_is_refused) {
  ModelBuilder m = if_of("c");
  m.input("c", TensorProto::BOOL, "1");
  EXPECT_EQ(imported(m),
            "node 'choice' (If): its condition depends on the model's inputs, must "
            "be constant");
}

TEST(OnnxImport, attributes_are_checked_against_the_op) {
  ModelBuilder m;
  m.input("x", kFloat, "2").output("y");
  set_attribute(m.node("Softmax", {"x"}, {"y"}, "s"), "axis", Ints{0});
  EXPECT_EQ(imported(m), "node 's' (Softmax): attribute 'axis' is of ints, must be of int");
}

TEST(OnnxImport, a_misspelled_attribute_is_ignored_with_a_warning) {
  const TempFolder folder;
  ModelBuilder m;
  m.input("x", kFloat, "2").output("y");
  set_attribute(m.node("Softmax", {"x"}, {"y"}, "s"), "axes", int64_t{0});
  const auto model = import_onnx(m.save(folder), {});
  ASSERT_TRUE(model.ok());
  EXPECT_THAT(model->warnings, ElementsAre(HasSubstr("attribute 'axes' is not known, ignored")));
}

TEST(OnnxImport, a_softmax_before_opset_13_flattens) {
  ModelBuilder m(11);
  m.input("x", kFloat, "2,3,4").output("y");
  m.node("Softmax", {"x"}, {"y"});
  EXPECT_EQ(imported(m),
            "graph @main(%x: f32[2,3,4]) {\n"
            "  %reshape = reshape %x {shape=[2,12]} : f32[2,12]\n"
            "  %softmax = softmax %reshape {axis=1} : f32[2,12]\n"
            "  %y = reshape %softmax {shape=[2,3,4]} : f32[2,3,4]\n"
            "  return %y\n"
            "}\n");
}

TEST(OnnxImport, a_wrong_declared_output_shape_is_warned_of_and_not_believed) {
  const TempFolder folder;
  ModelBuilder m;
  m.input("x", kFloat, "2,10").output("y", kFloat, "batch,128");
  m.node("Exp", {"x"}, {"y"});
  const std::string path = m.save(folder);
  const auto model = import_onnx(path, {});
  ASSERT_TRUE(model.ok());
  EXPECT_THAT(model->warnings, ElementsAre(path + ": output 'y': is f32[2,10], the model declares "
                                                  "[batch,128]"));
  EXPECT_EQ(model->graph.outputs[0].node->type.shape, (Shape{2, 10}));
}

TEST(OnnxImport, an_output_may_be_an_input) {
  ModelBuilder m;
  m.input("x", kFloat, "2").output("y").output("x");
  m.node("Exp", {"x"}, {"y"});
  EXPECT_THAT(imported(m), HasSubstr("return %y, %x\n"));
  ModelBuilder renamed;
  renamed.input("x", kFloat, "2").output("y");
  renamed.node("Identity", {"x"}, {"y"});
  EXPECT_THAT(imported(renamed), HasSubstr("return %x as \"y\""));
}

TEST(OnnxImport, keeps_what_callers_must_know) {
  const TempFolder folder;
  ModelBuilder m;
  m.input("ids", kInt64, "2").output("y", kInt64, "2");
  m.node("Add", {"ids", "ids"}, {"y"}, "twice");
  const std::string path = m.save(folder);
  const auto model = import_onnx(path, {});
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->model_dtypes.at("ids"), "int64");
  EXPECT_EQ(model->model_dtypes.at("y"), "int64");
  EXPECT_EQ(model->sha256, to_hex(sha256(m.model.SerializeAsString())));
  EXPECT_THAT(model->graph.outputs[0].node->origin, ElementsAre("twice"));
}

TEST(OnnxImport, a_constant_of_shape_too_large_to_hold_stays_a_broadcast) {
  ModelBuilder m;
  m.ints("shape", {1 << 20, 1 << 19}).output("y");
  m.node("ConstantOfShape", {"shape"}, {"y"});
  EXPECT_THAT(imported(m), HasSubstr("broadcast %constant {shape=[1048576,524288]}"));
}

TEST(OnnxImport, a_few_bytes_cannot_ask_for_gigabytes) {
  ModelBuilder m;
  m.ints("zero", {0}, true).ints("many", {1 << 30}, true).ints("one", {1}, true).output("y");
  m.node("Range", {"zero", "many", "one"}, {"y"}, "r");
  EXPECT_THAT(imported(m), HasSubstr("node 'r' (Range): makes 1073741824"));

  // Each could be folded, all of them may not be: the last stay nodes.
  ModelBuilder n;
  n.ints("shape", {1 << 20}).ints("zero", {0}, true);
  for (int i = 0; i < 80; ++i) {
    const std::string name = "y" + std::to_string(i);
    n.node("Expand", {"zero", "shape"}, {name});
    n.output(name);
  }
  const std::string text = imported(n);
  EXPECT_THAT(text, HasSubstr("%y0 = constant"));
  EXPECT_THAT(text, HasSubstr("%y79 = broadcast"));
}

TEST(OnnxImport, sizes_that_overflow_are_refused) {
  ModelBuilder m;
  m.input("x", kFloat, "1").ints("shape", {1 << 30, 1 << 30, 1 << 30}).output("y");
  m.node("Expand", {"x", "shape"}, {"y"}, "e");
  EXPECT_THAT(imported(m), HasSubstr("node 'e' (Expand): shape is "));
}

TEST(OnnxImport, a_tensor_whose_bytes_disagree_with_its_shape_is_refused) {
  ModelBuilder m = add_of("2", "2");
  m.floats("b", {1, 2, 3}, {2});
  EXPECT_EQ(imported(m), "tensor 'b': holds 3 elements, must hold 2 for [2]");
}

TEST(OnnxImport, opsets_that_nobody_has_are_refused) {
  EXPECT_EQ(imported(ModelBuilder(314159)), "is of opset 314159, must be from 7 to 28");
  EXPECT_EQ(imported(ModelBuilder(6)), "is of opset 6, must be from 7 to 28");
}

TEST(OnnxImport, files_that_are_no_models_are_bad_files) {
  const TempFolder folder;
  std::ofstream(folder / "text.onnx") << "this is not a model";
  const std::ofstream empty(folder / "empty.onnx");
  for (const char* name : {"text.onnx", "empty.onnx"}) {
    const auto model = import_onnx(folder / name, {});
    ASSERT_FALSE(model.ok());
    EXPECT_EQ(model.error().kind, ErrorKind::BadFile);
    EXPECT_THAT(model.error().message, HasSubstr("must be an ONNX model"));
  }
  const auto missing = import_onnx(folder / "none.onnx", {});
  ASSERT_FALSE(missing.ok());
  EXPECT_THAT(missing.error().message, HasSubstr("none.onnx: cannot open"));
}

}  // namespace
}  // namespace tessera::test
