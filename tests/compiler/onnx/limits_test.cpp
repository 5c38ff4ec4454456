// SPDX-License-Identifier: Apache-2.0
// The cost of a model is known from its bytes, before protobuf builds anything of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compiler/compile.h"
#include "compiler/onnx/tensor_file.h"
#include "compiler/onnx/wire_scan.h"
#include "tests/compiler/onnx/builder.h"

namespace tessera::test {
namespace {

using ::testing::HasSubstr;

Expected<WireCost> scan(const std::string& bytes, const Limits& limits = {},
                        WireFile kind = WireFile::Model) {
  return scan_wire(std::as_bytes(std::span(bytes)), kind, limits, "m.onnx");
}

std::string refusal(const std::string& bytes, const Limits& limits = {},
                    WireFile kind = WireFile::Model) {
  const auto cost = scan(bytes, limits, kind);
  if (cost.ok()) return "accepted";
  EXPECT_EQ(cost.error().kind, ErrorKind::Refused);
  return cost.error().message;
}

// Field `number` of a message, `bytes` long.
std::string field(int number, const std::string& bytes) {
  std::string text;
  const auto varint = [&text](uint64_t value) {
    for (; value >= 0x80; value >>= 7) text += static_cast<char>(value | 0x80);
    text += static_cast<char>(value);
  };
  varint(static_cast<uint64_t>(number << 3 | 2));
  varint(bytes.size());
  return text + bytes;
}

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

constexpr int kGraph = 7, kNode = 1, kAttribute = 5, kSubgraph = 6, kInitializer = 5;
const char kDamaged[] = "m.onnx: cannot be read, must be an ONNX model, whole and undamaged";

std::string damage(const std::string& bytes) {
  const auto cost = scan(bytes);
  if (cost.ok()) return "accepted";
  EXPECT_EQ(cost.error().kind, ErrorKind::BadFile);
  return cost.error().message;
}

TEST(WireScan, counts_messages_nodes_and_strings_of_lists) {
  ModelBuilder model;
  model.input("x", TensorProto::FLOAT, "2,3");
  set_attribute(model.node("Softmax", {"x"}, {"y"}), "axis", int64_t{1});
  model.output("y");
  const auto cost = scan(model.model.SerializeAsString());
  ASSERT_TRUE(cost.ok()) << cost.error().message;
  EXPECT_EQ(cost->nodes, 1);
  // Opset, graph, node, attribute; x as value, type, tensor, shape and two dimensions; y; and the
  // node's input and output.
  EXPECT_EQ(cost->messages, 4 + 6 + 1 + 2);
}

TEST(WireScan, two_bytes_that_become_three_hundred_are_refused_before_they_do) {
  const std::string node = field(kNode, repeated(field(kAttribute, ""), 20'000));
  Limits limits;
  limits.messages = 10'000;
  EXPECT_THAT(refusal(field(kGraph, node), limits),
              HasSubstr("m.onnx: its messages would take more than"));
  limits.messages = 1'000'000;
  EXPECT_EQ(refusal(field(kGraph, node), limits), "accepted");
}

TEST(WireScan, bytes_messages_and_nodes_have_limits_of_their_own) {
  const std::string nodes = field(kGraph, repeated(field(kNode, ""), 300));
  Limits limits;
  limits.nodes = 299;
  EXPECT_EQ(refusal(nodes, limits),
            "m.onnx: needs nodes = 300, must be at most 299 (--limit nodes=VALUE raises it)");
  limits = {};
  limits.model_bytes = 600;
  EXPECT_THAT(refusal(nodes, limits), HasSubstr("m.onnx: needs model_bytes = 603 bytes"));
  limits = {};
  limits.messages = 1000;
  const std::string names = field(kGraph, field(kNode, repeated(field(1, ""), 999)));
  EXPECT_THAT(refusal(names, limits), HasSubstr("m.onnx: needs messages = 1,001"));
}

TEST(WireScan, nodes_of_subgraphs_and_functions_count) {
  const std::string inner = field(kAttribute, field(kSubgraph, repeated(field(kNode, ""), 5)));
  const std::string model =
      field(kGraph, field(kNode, inner)) + field(25, repeated(field(7, ""), 3));  // a function
  EXPECT_EQ(scan(model)->nodes, 1 + 5 + 3);
}

TEST(WireScan, numbers_that_are_shorter_in_the_file_count_as_they_are_in_memory) {
  const std::string zeros(100'000, '\0');
  const auto beyond = [&](int number, const std::string& bytes) {
    return scan(field(kGraph, field(kInitializer, field(number, bytes))))->beyond_bytes;
  };
  const int64_t none = beyond(9, zeros);  // raw data
  EXPECT_LT(none, 1000);
  EXPECT_LT(beyond(4, zeros), 1000);     // floats
  EXPECT_GT(beyond(7, zeros), 700'000);  // int64, a byte each
  EXPECT_GT(beyond(5, zeros), 300'000);  // int32
}

TEST(WireScan, a_gigabyte_of_weights_is_no_message) {
  const std::string weights(64 << 20, '\1');
  Limits limits;
  limits.messages = 100;
  EXPECT_EQ(refusal(field(kGraph, field(kInitializer, field(9, weights))), limits), "accepted");
  EXPECT_EQ(refusal(field(9, weights), limits, WireFile::Tensor), "accepted");
}

TEST(WireScan, what_protobuf_would_not_read_is_damaged) {
  const std::string graph = field(kGraph, field(kNode, field(3, "name")));
  EXPECT_EQ(damage(graph), "accepted");
  for (size_t cut = 1; cut + 1 < graph.size(); ++cut)
    EXPECT_EQ(damage(graph.substr(0, cut)), kDamaged);
  EXPECT_EQ(damage(std::string("\x3a\x80\x80\x80\x80\x80\x01", 7)), kDamaged);    // length: 6 bytes
  EXPECT_EQ(damage(std::string("\x08", 1) + std::string(10, '\xff')), kDamaged);  // value: 11 bytes
  EXPECT_EQ(damage(std::string("\x0b\x0c", 2)), kDamaged);                        // a group
  EXPECT_EQ(damage(std::string("\x02\x00", 2)), kDamaged);                        // field 0
  EXPECT_EQ(damage(std::string("\x0e\x00", 2)), kDamaged);                        // wire type 6
  EXPECT_EQ(damage(std::string("\x3a\x05\x0a\x06zzzzzz", 10)), kDamaged);  // a node past its graph
}

TEST(WireScan, a_nest_is_as_deep_as_protobuf_goes_and_costs_no_stack) {
  const auto nested = [](int levels) {
    std::string graph;
    for (int i = 0; i < levels; ++i)
      graph = field(kNode, field(kAttribute, field(kSubgraph, graph)));
    return field(kGraph, graph);
  };
  EXPECT_EQ(damage(nested(33)), "accepted");
  EXPECT_EQ(damage(nested(34)), kDamaged);
  ::onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(nested(33)));
  EXPECT_FALSE(model.ParseFromString(nested(34)));
  EXPECT_EQ(damage(nested(2000)), kDamaged);
}

TEST(Limits, a_tensor_file_is_held_to_them_too) {
  const TempFolder folder;
  std::ofstream(folder / "t.pb", std::ios::binary) << repeated(field(13, ""), 2000);
  Limits limits;
  limits.messages = 1000;
  const auto tensor = read_tensor_file(folder / "t.pb", limits);
  ASSERT_FALSE(tensor.ok());
  EXPECT_EQ(tensor.error().kind, ErrorKind::Refused);
  EXPECT_EQ(tensor.error().type, "limit");
}

ModelBuilder tanhs(int n) {
  ModelBuilder model;
  model.input("x", TensorProto::FLOAT, "1,8");
  for (int i = 0; i < n; ++i)
    model.node("Tanh", {i == 0 ? "x" : "v" + std::to_string(i - 1)}, {"v" + std::to_string(i)});
  model.output("v" + std::to_string(n - 1));
  return model;
}

Error compile_error(const std::string& path, const CompileOptions& options) {
  const auto result = compile(path, options);
  EXPECT_FALSE(result.ok());
  return result.ok() ? Error{} : result.error();
}

TEST(Limits, nodes_are_refused_by_import_and_compile) {
  const TempFolder folder;
  CompileOptions options;
  options.limits.nodes = 9;
  const std::string path = tanhs(10).save(folder);
  const Error error = compile_error(path, options);
  EXPECT_EQ(error.message,
            path + ": needs nodes = 10, must be at most 9 (--limit nodes=VALUE raises it)");
  EXPECT_EQ(error.kind, ErrorKind::Refused);
  options.limits.nodes = 10;
  EXPECT_TRUE(compile(path, options).ok());
}

TEST(Limits, operations_that_become_many_are_bounded_too) {
  const TempFolder folder;
  ModelBuilder model;
  model.input("x", TensorProto::FLOAT, "1,8");
  for (int i = 0; i < 20; ++i)
    model.node("Sign", {i == 0 ? "x" : "v" + std::to_string(i - 1)}, {"v" + std::to_string(i)});
  model.output("v19");
  CompileOptions options;
  options.limits.nodes = 20;
  EXPECT_THAT(compile_error(model.save(folder), options).message,
              HasSubstr("become more than 80 nodes of the graph"));
}

TEST(Limits, time_is_asked_for_within_the_import) {
  const TempFolder folder;
  CompileOptions options;
  options.limits.time = 0;
  const Error error = compile_error(tanhs(10).save(folder), options);
  EXPECT_THAT(error.message, HasSubstr("m.onnx: import: took longer than 0 s"));
  EXPECT_EQ(error.kind, ErrorKind::Refused);
}

TEST(Limits, a_program_that_no_verifier_takes_is_refused_before_it_is_made) {
  const TempFolder folder;
  ModelBuilder model = tanhs(60);
  for (int i = 0; i + 1 < 60; ++i) model.output("v" + std::to_string(i));
  CompileOptions options;
  options.limits.vertices = 50;  // each output is a superstep of its own
  const Error error = compile_error(model.save(folder), options);
  EXPECT_THAT(error.message, HasSubstr("needs vertices = "));
  EXPECT_EQ(error.kind, ErrorKind::Refused);
}

TEST(Limits, more_values_than_a_superstep_joins_are_refused_by_name) {
  const TempFolder folder;
  ModelBuilder model;
  model.input("x", TensorProto::FLOAT, "1,8");
  set_attribute(model.node("Concat", Names(5000, "x"), {"y"}), "axis", int64_t{0});
  model.output("y");
  EXPECT_THAT(compile_error(model.save(folder), {}).message,
              HasSubstr("y: puts 5000 values together, must put fewer than 4096"));
}

// A model may ask for any shapes: no bytes are made for them that the machine cannot hold.
TEST(Limits, huge_shapes_make_no_bytes) {
  const TempFolder folder;
  const auto outcome = [&](ModelBuilder& model) {
    model.output("y");
    const auto result = compile(model.save(folder), {});
    return result.ok() ? result->out_of_memory.has_value() : true;
  };
  ModelBuilder norm;  // whose gamma and beta are of 2^33 numbers
  norm.input("x", TensorProto::FLOAT, "1,8589934592").floats("e", {1e-5f}, {});
  const auto mean = [&](const Names& in, const Names& out) {
    set_attribute(norm.node("ReduceMean", in, out), "axes", Ints{-1});
  };
  mean({"x"}, {"m"});
  norm.node("Sub", {"x", "m"}, {"c"});
  norm.node("Mul", {"c", "c"}, {"s"});
  mean({"s"}, {"v"});
  norm.node("Add", {"v", "e"}, {"a"});
  norm.node("Sqrt", {"a"}, {"d"});
  norm.node("Div", {"c", "d"}, {"y"});
  EXPECT_TRUE(outcome(norm));

  ModelBuilder sum;  // of a constant that is stretched to 2^33 numbers
  sum.input("x", TensorProto::FLOAT, "2").floats("c", {1, 2}, {2});
  sum.ints("long", {1 << 30, 4, 2});
  sum.node("Expand", {"c", "long"}, {"stretched"});
  TensorProto axis = int64_tensor({0, 1});
  axis.set_name("axis");
  *sum.graph().add_initializer() = axis;
  set_attribute(sum.node("ReduceSum", {"stretched", "axis"}, {"r"}), "keepdims", int64_t{0});
  sum.node("Add", {"x", "r"}, {"y"});
  EXPECT_TRUE(outcome(sum));

  ModelBuilder backwards;
  backwards.input("x", TensorProto::FLOAT, "8589934592");
  backwards.ints("start", {-1}).ints("end", {-(int64_t{1} << 40)}).ints("axis", {0});
  backwards.ints("step", {-1});
  backwards.node("Slice", {"x", "start", "end", "axis", "step"}, {"y"});
  EXPECT_TRUE(outcome(backwards));
}

// A table of 2^32 by 2^32 numbers: their product is 0 in 64 bits.
TEST(Limits, a_table_whose_size_is_beyond_64_bits_is_refused) {
  const TempFolder folder;
  ModelBuilder waves(17);
  waves.input("x", TensorProto::FLOAT, "1,4294967296,1").node("DFT", {"x"}, {"y"});
  waves.output("y");
  EXPECT_THAT(compile_error(waves.save(folder), {}).message,
              HasSubstr("makes 4294967296 frequencies of 4294967296 terms, must be of fewer"));
}

TEST(Limits, warnings_are_kept_up_to_a_thousand) {
  const TempFolder folder;
  ModelBuilder model;
  model.input("x", TensorProto::FLOAT, "1,8");
  ::onnx::NodeProto& node = model.node("Tanh", {"x"}, {"y"});
  for (int i = 0; i < 3000; ++i) set_attribute(node, "a" + std::to_string(i), int64_t{1});
  model.output("y");
  const auto imported = import_onnx(model.save(folder), {});
  ASSERT_TRUE(imported.ok()) << imported.error().message;
  EXPECT_EQ(imported->warnings.size(), 1001u);
  EXPECT_THAT(imported->warnings.back(), HasSubstr("more warnings are left out"));
}

}  // namespace
}  // namespace tessera::test
