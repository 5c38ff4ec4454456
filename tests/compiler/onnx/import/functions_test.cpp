// SPDX-License-Identifier: Apache-2.0
// Functions that a model brings along, branches that use one name for two values, and sparse
// tensors: what they give, and what a stranger's file cannot do with them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/compiler/onnx/import/one_node.h"

namespace tessera::test {
namespace {

using ::onnx::AttributeProto;
using ::onnx::FunctionProto;
using ::onnx::NodeProto;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

NodeProto& add_node(google::protobuf::RepeatedPtrField<NodeProto>& nodes, const std::string& op,
                    const Names& inputs, const Names& outputs) {
  NodeProto& node = *nodes.Add();
  node.set_op_type(op);
  node.set_name(op);
  for (const std::string& name : inputs) node.add_input(name);
  for (const std::string& name : outputs) node.add_output(name);
  return node;
}

FunctionProto& add_function(ModelBuilder& m, const std::string& name, const Names& inputs,
                            int64_t opset = 13) {
  FunctionProto& function = *m.model.add_functions();
  function.set_name(name);
  function.set_domain("own");
  for (const std::string& input : inputs) function.add_input(input);
  function.add_output("y");
  function.add_opset_import()->set_version(opset);
  auto& own = *function.add_opset_import();
  own.set_domain("own");
  own.set_version(1);
  return function;
}

NodeProto& call(ModelBuilder& m, const std::string& name, const Names& inputs,
                const Names& outputs) {
  NodeProto& node = m.node(name, inputs, outputs, name);
  node.set_domain("own");
  return node;
}

ModelBuilder of_x() {
  ModelBuilder m;
  m.input("x", kFloat, "2").output("out");
  return m;
}

std::vector<double> answer(const ModelBuilder& m) {
  const Array x{
      {DType::F32, {2}},
      {1,          -3 }
  };
  const auto got = run(m, {
                              {"x", x}
  });
  return got.empty() ? std::vector<double>{} : got[0].data;
}

// Leaks: x of a LeakyRelu whose slope is the function's attribute.
FunctionProto& add_leaky(ModelBuilder& m) {
  FunctionProto& function = add_function(m, "Leaks", {"x"});
  function.add_attribute("slope");
  AttributeProto& alpha =
      *add_node(*function.mutable_node(), "LeakyRelu", {"x"}, {"y"}).add_attribute();
  alpha.set_name("alpha");
  alpha.set_type(AttributeProto::FLOAT);
  alpha.set_ref_attr_name("slope");
  return function;
}

TEST(OnnxFunctions, are_called_with_their_attributes) {
  ModelBuilder m = of_x();
  add_leaky(m);
  set_attributes(call(m, "Leaks", {"x"}, {"a"}), {});
  AttributeProto& slope = *m.graph().mutable_node(0)->add_attribute();
  slope.set_name("slope");
  slope.set_type(AttributeProto::FLOAT);
  slope.set_f(2);
  call(m, "Leaks", {"a"}, {"out"});  // by LeakyRelu's own 0.01
  const std::vector<double> got = answer(m);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_NEAR(got[0], 1, 1e-6);
  EXPECT_NEAR(got[1], -0.06, 1e-6);
}

// Field 11 of a function, which is newer than the schema of the build.
TEST(OnnxFunctions, have_values_for_attributes_that_a_call_leaves_out) {
  ModelBuilder m = of_x();
  FunctionProto& function = add_leaky(m);
  function.clear_attribute();
  AttributeProto slope;
  slope.set_name("slope");
  slope.set_type(AttributeProto::FLOAT);
  slope.set_f(0.5F);
  const std::string bytes = slope.SerializeAsString();
  *function.mutable_unknown_fields() +=
      "\x5a" + std::string(1, static_cast<char>(bytes.size())) + bytes;
  call(m, "Leaks", {"x"}, {"out"});
  EXPECT_THAT(answer(m), ElementsAre(1, -1.5));
}

// y = x + x under the same names at every level, and an input that is left out.
TEST(OnnxFunctions, are_nested_and_keep_their_names_to_themselves) {
  ModelBuilder m = of_x();
  FunctionProto& doubled = add_function(m, "Doubled", {"x", "bound"});
  add_node(*doubled.mutable_node(), "Add", {"x", "x"}, {"sum"});
  add_node(*doubled.mutable_node(), "Clip", {"sum", "", "bound"}, {"y"});
  FunctionProto& twice = add_function(m, "Twice", {"x"});
  add_node(*twice.mutable_node(), "Doubled", {"x"}, {"sum"}).set_domain("own");
  add_node(*twice.mutable_node(), "Doubled", {"sum"}, {"y"}).set_domain("own");
  call(m, "Twice", {"x"}, {"sum"});
  call(m, "Twice", {"sum"}, {"out"});
  EXPECT_THAT(answer(m), ElementsAre(16, -48));
}

TEST(OnnxFunctions, are_of_the_opset_that_they_import) {
  ModelBuilder m = of_x();
  FunctionProto& function = add_function(m, "Sums", {"x"}, 11);
  NodeProto& sum = add_node(*function.mutable_node(), "ReduceSum", {"x"}, {"y"});
  AttributeProto& axes = *sum.add_attribute();
  axes.set_name("axes");
  axes.set_type(AttributeProto::INTS);
  axes.add_ints(0);
  call(m, "Sums", {"x"}, {"out"});
  EXPECT_THAT(answer(m), ElementsAre(-2));
}

TEST(OnnxFunctions, that_reach_themselves_are_refused) {
  ModelBuilder m = of_x();
  for (const auto& [name, other] : std::map<std::string, std::string>{
           {"Ping", "Pong"},
           {"Pong", "Ping"}
  })
    add_node(*add_function(m, name, {"x"}).mutable_node(), other, {"x"}, {"y"}).set_domain("own");
  call(m, "Ping", {"x"}, {"out"});
  EXPECT_EQ(imported(m), "node 'Ping' (Ping): is a function that calls itself, must not");
}

// Forty functions that each call the one before twice: 2^40 nodes.
TEST(OnnxFunctions, that_grow_with_every_level_are_refused_before_they_are_made) {
  ModelBuilder m = of_x();
  add_node(*add_function(m, "f0", {"x"}).mutable_node(), "Neg", {"x"}, {"y"});
  for (int i = 1; i <= 40; ++i) {
    FunctionProto& function = add_function(m, "f" + std::to_string(i), {"x"});
    const std::string below = "f" + std::to_string(i - 1);
    add_node(*function.mutable_node(), below, {"x"}, {"a"}).set_domain("own");
    add_node(*function.mutable_node(), below, {"a"}, {"y"}).set_domain("own");
  }
  call(m, "f40", {"x"}, {"out"});
  const TempFolder folder;
  Limits limits;
  limits.nodes = 1000;
  const auto model = import_onnx(m.save(folder), {}, limits);
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().kind, ErrorKind::Refused);
  EXPECT_THAT(model.error().message, HasSubstr("(--limit nodes=VALUE raises it)"));
}

// Many references to one large attribute are paid for before they are copied.
TEST(OnnxFunctions, that_repeat_a_large_attribute_are_held_against_the_memory_limit) {
  ModelBuilder m = of_x();
  FunctionProto& function = add_function(m, "Many", {"x"});
  function.add_attribute("big");
  for (int i = 0; i < 100; ++i) {
    AttributeProto& value =
        *add_node(*function.mutable_node(), "Constant", {}, {"c" + std::to_string(i)})
             .add_attribute();
    value.set_name("value_floats");
    value.set_type(AttributeProto::FLOATS);
    value.set_ref_attr_name("big");
  }
  add_node(*function.mutable_node(), "Neg", {"x"}, {"y"});
  AttributeProto& big = *call(m, "Many", {"x"}, {"out"}).add_attribute();
  big.set_name("big");
  big.set_type(AttributeProto::FLOATS);
  for (int i = 0; i < 1000; ++i) big.add_floats(1);
  const TempFolder folder;
  Limits limits;
  limits.memory = 100'000;
  const auto model = import_onnx(m.save(folder), {}, limits);
  ASSERT_FALSE(model.ok());
  EXPECT_THAT(model.error().message, HasSubstr("(--limit memory=VALUE raises it)"));
}

// Attributes without a value stand between others: those are kept, in their order.
TEST(OnnxFunctions, leave_out_attributes_that_have_no_value) {
  ModelBuilder m = of_x();
  FunctionProto& function = add_function(m, "Scaled", {"x"});
  NodeProto& node = add_node(*function.mutable_node(), "HardSigmoid", {"x"}, {"y"});
  const auto add = [&](const char* name, const char* from, float value) {
    AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(AttributeProto::FLOAT);
    if (*from != '\0') attribute.set_ref_attr_name(from);
    if (*from == '\0') attribute.set_f(value);
  };
  add("other", "none", 0);
  add("alpha", "", 0.25F);
  for (int i = 0; i < 1000; ++i) add("other", "none", 0);
  add("beta", "", 0.5F);
  add("other", "none", 0);
  call(m, "Scaled", {"x"}, {"out"});
  EXPECT_THAT(answer(m), ElementsAre(0.75, 0));
}

TEST(OnnxFunctions, with_what_they_do_not_take_are_refused) {
  ModelBuilder m = of_x();
  add_leaky(m);
  set_attributes(call(m, "Leaks",
                      {
                          "x"
  },
                      {"out"}),
                 {{"other", 1}});
  EXPECT_THAT(imported(m), HasSubstr("attribute 'other' is not one of its function's"));
  m.graph().mutable_node(0)->clear_attribute();
  m.graph().mutable_node(0)->add_input("x");
  EXPECT_THAT(imported(m), HasSubstr("has 2 inputs, must have at most the 1 of its function"));
  // An operand that the function needs and the call leaves out.
  m.graph().mutable_node(0)->clear_input();
  EXPECT_THAT(imported(m), HasSubstr("(LeakyRelu): input 0 is left out, must be given"));
}

void add_branch(NodeProto& node, const std::string& name, float factor) {
  AttributeProto& branch = *node.add_attribute();
  branch.set_name(name);
  branch.set_type(AttributeProto::GRAPH);
  branch.mutable_g()->set_name(name);
  TensorProto& weight = *branch.mutable_g()->add_initializer();
  weight.set_name("w");
  weight.set_data_type(TensorProto::FLOAT);
  weight.add_float_data(factor);
  add_node(*branch.mutable_g()->mutable_node(), "Mul", {"x", "w"}, {"product"});
  branch.mutable_g()->add_output()->set_name("product");
}

// x times 2, and x times 3, in branches that call their values alike.
TEST(OnnxScopes, of_sibling_branches_are_apart) {
  ModelBuilder m = of_x();
  TensorProto yes;
  yes.set_name("yes");
  yes.set_data_type(TensorProto::BOOL);
  yes.add_int32_data(1);
  *m.graph().add_initializer() = yes;
  for (const float factor : {2.0F, 3.0F}) {
    const std::string out = factor == 2 ? "a" : "b";
    NodeProto& node = m.node("If", {"yes"}, {out}, out);
    add_branch(node, "then_branch", factor);
    add_branch(node, "else_branch", -1);
  }
  m.node("Add", {"a", "b"}, {"out"});
  EXPECT_THAT(answer(m), ElementsAre(5, -15));
}

void fill_sparse(::onnx::SparseTensorProto& sparse, const std::vector<float>& values,
                 const Ints& indices, bool by_axes) {
  sparse.mutable_values()->set_name("w");
  sparse.mutable_values()->set_data_type(TensorProto::FLOAT);
  sparse.mutable_values()->add_dims(static_cast<int64_t>(values.size()));
  for (const float value : values) sparse.mutable_values()->add_float_data(value);
  sparse.mutable_indices()->set_data_type(TensorProto::INT64);
  sparse.mutable_indices()->add_dims(static_cast<int64_t>(values.size()));
  if (by_axes) sparse.mutable_indices()->add_dims(2);
  for (const int64_t index : indices) sparse.mutable_indices()->add_int64_data(index);
  for (const int64_t dim : {2, 2}) sparse.add_dims(dim);
}

ModelBuilder with_sparse(const Ints& indices, bool by_axes) {
  ModelBuilder m = of_x();
  fill_sparse(*m.graph().add_sparse_initializer(), {5, 7}, indices, by_axes);
  m.node("MatMul", {"x", "w"}, {"out"});
  return m;
}

TEST(OnnxSparse, initializers_are_dense_constants) {
  EXPECT_THAT(answer(with_sparse({1, 2}, false)), ElementsAre(-21, 5));
  EXPECT_THAT(answer(with_sparse({0, 1, 1, 0}, true)), ElementsAre(-21, 5));
}

TEST(OnnxSparse, constants_are_dense_constants) {
  ModelBuilder m = of_x();
  AttributeProto& value = *m.node("Constant", {}, {"w"}).add_attribute();
  value.set_name("sparse_value");
  value.set_type(AttributeProto::SPARSE_TENSOR);
  fill_sparse(*value.mutable_sparse_tensor(), {5, 7}, {1, 2}, false);
  m.node("MatMul", {"x", "w"}, {"out"});
  EXPECT_THAT(answer(m), ElementsAre(-21, 5));
}

TEST(OnnxSparse, indices_that_lead_out_or_back_are_refused) {
  for (const Ints& indices : std::vector<Ints>{
           {1,  4               },
           {-1, 2               },
           {2,  1               },
           {1,  1               },
           {1,  int64_t{1} << 40}
  })
    EXPECT_THAT(imported(with_sparse(indices, false)),
                HasSubstr("is out of range or out of order"));
  EXPECT_THAT(imported(with_sparse({0, 1, 1, 2}, true)), HasSubstr("is out of range"));
}

TEST(OnnxSparse, tensors_are_held_against_the_memory_limit_as_dense) {
  ModelBuilder m = with_sparse({1, 2}, false);
  m.graph().mutable_sparse_initializer(0)->set_dims(0, int64_t{1} << 30);
  const TempFolder folder;
  const auto model = import_onnx(m.save(folder), {}, {.memory = int64_t{1} << 20});
  ASSERT_FALSE(model.ok());
  EXPECT_THAT(model.error().message, HasSubstr("(--limit memory=VALUE raises it)"));
}

}  // namespace
}  // namespace tessera::test
