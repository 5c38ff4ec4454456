// SPDX-License-Identifier: Apache-2.0
// Corner values are ONNX's: NaN, infinities, signed zeros, rounding, empty reductions. Those of
// attention are in masks_test.cpp. The wanted numbers are ONNX Runtime's, without its
// optimisations; docs/ir.md has the table. Each row runs on the interpreter and on the machine,
// direct and isolated, in f32 and, where its numbers fit, in f16.
#include <gtest/gtest.h>

#include "ir/interpreter.h"
#include "ir/text.h"
#include "passes/pipeline.h"
#include "tests/e2e/everywhere.h"

namespace tessera::e2e {
namespace {

struct Corner {
  const char* name;
  std::string graph;  // of FLOAT, which is f32 or f16
  std::vector<Values> inputs;
  Values wanted;
  bool in_half;
};
void PrintTo(const Corner& corner, std::ostream* out) { *out << corner.name; }

// clang-format off
const std::vector<Corner> kCorners = {
    {"exp", "graph @f(%x: FLOAT[9]) { %y = exp %x : FLOAT[9] return %y }",
     {{0, -0.0, kInf, -kInf, kNan, 88.5, 89.5, -87, -110}},
     {1, 1, kInf, 0, kNan, 2.72308792e+38, kInf, 1.64581145e-38, 0}, false},
    {"exp_half", "graph @f(%x: FLOAT[9]) { %y = exp %x : FLOAT[9] return %y }",
     {{0, -0.0, kInf, -kInf, kNan, 10, 11, -5, -20}},
     {1, 1, kInf, 0, kNan, 22026.4668, 59874.1406, 0.006737947, 2.06115369e-09}, true},
    {"log", "graph @f(%x: FLOAT[9]) { %y = log %x : FLOAT[9] return %y }",
     {{0, -0.0, kInf, -kInf, kNan, 1, -1, 9.9999461e-41, 3.00000001e+38}},
     {-kInf, -kInf, kInf, kNan, kNan, 0, kNan, -kInf, 88.5968475}, false},
    {"log_half", "graph @f(%x: FLOAT[8]) { %y = log %x : FLOAT[8] return %y }",
     {{0, -0.0, kInf, -kInf, kNan, 1, -1, 65504}},
     {-kInf, -kInf, kInf, kNan, kNan, 0, kNan, 11.0898666}, true},
    {"sqrt", "graph @f(%x: FLOAT[7]) { %y = sqrt %x : FLOAT[7] return %y }",
     {{0, -0.0, kInf, -kInf, kNan, 4, -4}},
     {0, -0.0, kInf, kNan, kNan, 2, kNan}, true},
    {"abs", "graph @f(%x: FLOAT[6]) { %y = abs %x : FLOAT[6] return %y }",
     {{0, -0.0, kInf, -kInf, kNan, -3}},
     {0, 0, kInf, kInf, kNan, 3}, true},
    {"floor", "graph @f(%x: FLOAT[9]) { %y = floor %x : FLOAT[9] return %y }",
     {{0, -0.0, kInf, -kInf, kNan, -0.5, 0.5, -1.5, 2.5}},
     {0, -0.0, kInf, -kInf, kNan, -1, 0, -2, 2}, true},
    {"round", "graph @f(%x: FLOAT[12]) { %y = round %x : FLOAT[12] return %y }",
     {{0, -0.0, kInf, -kInf, kNan, 0.5, -0.5, 1.5, 2.5, -1.5, -2.5, 3.5}},
     {0, -0.0, kInf, -kInf, kNan, 0, -0.0, 2, 2, -2, -2, 4}, true},
    {"erf", "graph @f(%x: FLOAT[8]) { %y = erf %x : FLOAT[8] return %y }",
     {{0, -0.0, kInf, -kInf, kNan, 5, -5, 1.00000002e+30}},
     {0, -0.0, 1, -1, kNan, 1, -1, 1}, false},
    {"erf_half", "graph @f(%x: FLOAT[8]) { %y = erf %x : FLOAT[8] return %y }",
     {{0, -0.0, kInf, -kInf, kNan, 5, -5, 0.5}},
     {0, -0.0, 1, -1, kNan, 1, -1, 0.520499885}, true},
    {"tanh", "graph @f(%x: FLOAT[8]) { %y = tanh %x : FLOAT[8] return %y }",
     {{0, -0.0, kInf, -kInf, kNan, 20, -20, 1.00000002e+30}},
     {0, -0.0, 1, -1, kNan, 1, -1, 1}, false},
    {"tanh_half", "graph @f(%x: FLOAT[8]) { %y = tanh %x : FLOAT[8] return %y }",
     {{0, -0.0, kInf, -kInf, kNan, 20, -20, 0.5}},
     {0, -0.0, 1, -1, kNan, 1, -1, 0.462117165}, true},
    {"add", "graph @f(%a: FLOAT[7], %b: FLOAT[7]) { %y = add %a, %b : FLOAT[7] return %y }",
     {{0, -0.0, -0.0, kInf, kInf, kNan, 1}, {-0.0, -0.0, 0, kInf, -kInf, 1, kNan}},
     {0, -0.0, 0, kInf, kNan, kNan, kNan}, true},
    {"sub", "graph @f(%a: FLOAT[7], %b: FLOAT[7]) { %y = sub %a, %b : FLOAT[7] return %y }",
     {{0, -0.0, -0.0, kInf, kInf, kNan, 1}, {-0.0, -0.0, 0, kInf, -kInf, 1, kNan}},
     {0, 0, -0.0, kNan, kInf, kNan, kNan}, true},
    {"mul", "graph @f(%a: FLOAT[7], %b: FLOAT[7]) { %y = mul %a, %b : FLOAT[7] return %y }",
     {{0, -0.0, -0.0, kInf, kInf, kNan, 1}, {-0.0, -0.0, 0, kInf, -kInf, 1, kNan}},
     {-0.0, 0, -0.0, kInf, -kInf, kNan, kNan}, true},
    // Subnormals of f32 are zero, as ONNX Runtime has them with session.set_denormal_as_zero.
    {"subnormals_times", "graph @f(%a: f32[6], %b: f32[6]) { %y = mul %a, %b : f32[6] return %y }",
     {{1e-41, -1e-41, 1e-20, -1e-20, 2e-38, 1e-45}, {1e30, 1e30, 1e-20, 1e-20, 0.5, kInf}},
     {0, -0.0, 0, -0.0, 0, kNan}, false},
    {"subnormals_in_constants", "graph @f(%x: f32[3]) { %c = constant {value=1e-41} : f32[3] %y = mul %x, %c : f32[3] return %y }",
     {{1e38, -1, kInf}},
     {0, -0.0, kNan}, false},
    {"subnormals_added", "graph @f(%a: f32[4], %b: f32[4]) { %y = add %a, %b : f32[4] return %y }",
     {{1e-41, -1e-41, 1.2e-38, 1e-41}, {0, -0.0, -1.19e-38, 1}},
     {0, -0.0, 0, 1}, false},
    {"subnormals_compared", "graph @f(%a: f32[3], %b: f32[3]) { %y = less %a, %b : bool[3] return %y }",
     {{0, -1e-41, -1e-41}, {1e-41, 0, 1.2e-38}},
     {0, 0, 1}, false},
    {"subnormals_of_which_the_larger", "graph @f(%a: f32[3], %b: f32[3]) { %y = max %a, %b : f32[3] return %y }",
     {{1e-41, 1e-45, -1}, {0, -1, 1e-45}},
     {0, 0, 0}, false},
    {"subnormals_that_are_moved", "graph @f(%x: f32[2,2]) { %y = transpose %x {perm=[1,0]} : f32[2,2] return %y }",
     {{1e-41, 1, -1e-41, 2}},
     {0, -0.0, 1, 2}, false},
    {"subnormals_of_half", "graph @f(%a: f16[3], %b: f16[3]) { %y = mul %a, %b : f16[3] return %y }",
     {{6e-8, 6e-8, -6e-8}, {1, 2, 1}},
     {5.96046448e-08, 1.1920929e-07, -5.96046448e-08}, false},
    {"equal", "graph @f(%a: FLOAT[7], %b: FLOAT[7]) { %y = equal %a, %b : bool[7] return %y }",
     {{0, -0.0, -0.0, kInf, kInf, kNan, 1}, {-0.0, -0.0, 0, kInf, -kInf, 1, kNan}},
     {1, 1, 1, 1, 0, 0, 0}, true},
    {"less", "graph @f(%a: FLOAT[7], %b: FLOAT[7]) { %y = less %a, %b : bool[7] return %y }",
     {{0, -0.0, -0.0, kInf, kInf, kNan, 1}, {-0.0, -0.0, 0, kInf, -kInf, 1, kNan}},
     {0, 0, 0, 0, 0, 0, 0}, true},
    {"max", "graph @f(%a: FLOAT[5], %b: FLOAT[5]) { %y = max %a, %b : FLOAT[5] return %y }",
     {{kNan, 1, kInf, -kInf, 2}, {1, kNan, kNan, kInf, -3}},
     {kNan, kNan, kNan, kInf, 2}, true},
    {"min", "graph @f(%a: FLOAT[5], %b: FLOAT[5]) { %y = min %a, %b : FLOAT[5] return %y }",
     {{kNan, 1, kInf, -kInf, 2}, {1, kNan, kNan, kInf, -3}},
     {kNan, kNan, kNan, -kInf, -3}, true},
    {"div", "graph @f(%a: FLOAT[8], %b: FLOAT[8]) { %y = div %a, %b : FLOAT[8] return %y }",
     {{0, 1, -1, 1, -0.0, kInf, 1, kNan}, {0, 0, 0, -0.0, 5, kInf, kInf, 1}},
     {kNan, kInf, -kInf, -kInf, -0.0, kNan, 0, kNan}, true},
    {"pow", "graph @f(%a: FLOAT[19], %b: FLOAT[19]) { %y = pow %a, %b : FLOAT[19] return %y }",
     {{0, -0.0, 0, -0.0, 0, kNan, 1, -1, -1, -2, -2, -8, kInf, kInf, -kInf, -kInf, 0.5, 0.5, 2}, {0, -1, -2, 3, kNan, 0, kNan, kInf, -kInf, 3, 0.5, 0.333333343, 0, -1, 3, -1, kInf, -kInf, -kInf}},
     {1, -kInf, kInf, -0.0, kNan, 1, 1, 1, 1, -8, kNan, kNan, 1, 0, -kInf, -0.0, 0, kInf, 0}, true},
    {"div_of_integers", "graph @f(%a: i32[6], %b: i32[6]) { %y = div %a, %b : i32[6] return %y }",
     {{7, -7, 7, -7, 0, -1}, {2, 2, -2, -2, -3, 5}},
     {3, -3, -3, 3, 0, 0}, false},
    {"max_of_integers", "graph @f(%a: i32[2], %b: i32[2]) { %y = max %a, %b : i32[2] return %y }",
     {{-2.14748365e+09, 5}, {2.14748365e+09, -5}},
     {2.14748365e+09, 5}, false},
    {"reduce_sum", "graph @f(%x: FLOAT[7,4]) { %y = reduce_sum %x {axes=[1]} : FLOAT[7] return %y }",
     {{1, 2, 3, 4, -kInf, -kInf, -kInf, -kInf, 1, kInf, 0, -1, kNan, 1, 2, 3, 1, 2, 3, kNan, kInf, -kInf, 0, 0, -0.0, -0.0, -0.0, -0.0}},
     {10, -kInf, kInf, kNan, kNan, kNan, -0.0}, true},
    // ONNX Runtime drops a NaN that is not the first; NaN here wherever it stands.
    {"reduce_max", "graph @f(%x: FLOAT[6,4]) { %y = reduce_max %x {axes=[1]} : FLOAT[6] return %y }",
     {{1, 2, 3, 4, -kInf, -kInf, -kInf, -kInf, 1, kInf, 0, -1, kNan, 1, 2, 3, 1, 2, 3, kNan, kInf, -kInf, 0, 0}},
     {4, -kInf, kInf, kNan, kNan, kInf}, true},
    {"softmax", "graph @f(%x: FLOAT[7,4]) { %y = softmax %x {axis=1} : FLOAT[7,4] return %y }",
     {{1, 2, 3, 4, -kInf, -kInf, -kInf, -kInf, 1, kInf, 0, -1, kNan, 1, 2, 3, 1, 2, 3, kNan, kInf, -kInf, 0, 0, -0.0, -0.0, -0.0, -0.0}},
     {0.0320586041, 0.0871443227, 0.236882836, 0.643914282, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, 0.25, 0.25, 0.25, 0.25}, true},
    {"cumsum", "graph @f(%x: FLOAT[2,4]) { %y = cumsum %x {axis=1} : FLOAT[2,4] return %y }",
     {{1, kInf, -kInf, 2, kNan, 1, 2, 3}},
     {1, kInf, kNan, kNan, kNan, kNan, kNan, kNan}, true},
    {"layer_norm_without_eps", "graph @f(%x: FLOAT[5,4], %g: FLOAT[4], %b: FLOAT[4]) { %y = layer_norm %x, %g, %b {eps=0} : FLOAT[5,4] return %y }",
     {{2, 2, 2, 2, 0, 0, 0, 0, 1, 2, 3, 4, kNan, 1, 2, 3, kInf, 1, 1, 1}, {1, 2, 3, 4}, {0, 0, 1, 1}},
     {kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, -1.34164071, -0.89442718, 2.34164071, 6.36656284, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan}, true},
    {"layer_norm", "graph @f(%x: FLOAT[5,4], %g: FLOAT[4], %b: FLOAT[4]) { %y = layer_norm %x, %g, %b {eps=1e-05} : FLOAT[5,4] return %y }",
     {{2, 2, 2, 2, 0, 0, 0, 0, 1, 2, 3, 4, kNan, 1, 2, 3, kInf, 1, 1, 1}, {1, 2, 3, 4}, {0, 0, 1, 1}},
     {0, 0, 1, 1, 0, 0, 1, 1, -1.34163547, -0.894423664, 2.34163547, 6.36654186, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan}, true},
    {"matmul", "graph @f(%x: FLOAT[4,2], %w: FLOAT[2,2]) { %y = matmul %x, %w : FLOAT[4,2] return %y }",
     {{kInf, 1, kNan, 0, -0.0, -0.0, kInf, kInf}, {0, 1, 1, 0}},
     {kNan, kInf, kNan, kNan, 0, 0, kNan, kNan}, true},
    {"cast_to_bool", "graph @f(%x: FLOAT[5]) { %y = cast %x {to=\"bool\"} : bool[5] return %y }",
     {{0, -0.0, kNan, kInf, 0.5}},
     {0, 0, 1, 1, 1}, true},
    {"cast_to_integer", "graph @f(%x: FLOAT[5]) { %y = cast %x {to=\"i32\"} : i32[5] return %y }",
     {{1.89999998, -1.89999998, 0.5, -0.5, -0.0}},
     {1, -1, 0, 0, 0}, true},
    {"cast_to_half", "graph @f(%x: f32[11]) { %y = cast %x {to=\"f16\"} : f16[11] return %y }",
     {{65504, 65519, 65520, -65520, kInf, kNan, 2049, 2051, 5.99999979e-08, 1.99999999e-08, -0.0}},
     {65504, 65504, kInf, -kInf, kInf, kNan, 2048, 2052, 5.96046448e-08, 0, -0.0}, false}
};
// clang-format on

class Corners : public ::testing::TestWithParam<Corner> {};

void check(const Corner& corner, const char* dtype, double near) {
  SCOPED_TRACE(dtype);
  const Expected<Graph> graph = parse_graph(with(corner.graph, "FLOAT", dtype));
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  const std::map<std::string, Array> inputs = inputs_of(*graph, corner.inputs);
  {
    SCOPED_TRACE("interpreter");
    expect_values(interpret(*graph, inputs), corner.wanted, near);
  }
  for (const auto& [name, results] : run_everywhere(*graph, inputs)) {
    SCOPED_TRACE(name);
    expect_values(results, corner.wanted, near);
  }
}

TEST_P(Corners, are_those_of_onnx_in_f32) { check(GetParam(), "f32", 2e-6); }

TEST_P(Corners, are_those_of_onnx_in_f16) {
  if (GetParam().in_half) check(GetParam(), "f16", 2e-3);
}

INSTANTIATE_TEST_SUITE_P(, Corners, ::testing::ValuesIn(kCorners),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(CornerGraphs, a_reduction_of_no_elements_is_a_number) {
  Graph graph = parse_graph(R"(graph @f(%x: f32[2,3], %i: i32[2,3]) {
    %none = slice %x {start=[0,0], step=[1,1], size=[2,0]} : f32[2,0]
    %no_integers = slice %i {start=[0,0], step=[1,1], size=[2,0]} : i32[2,0]
    %turned = transpose %none {perm=[1,0]} : f32[0,2]
    %sum = reduce_sum %none {axes=[1]} : f32[2]
    %max = reduce_max %none {axes=[1]} : f32[2]
    %least = reduce_max %no_integers {axes=[1]} : i32[2]
    %product = matmul %none, %turned : f32[2,2]
    %l = cast %least {to="f32"} : f32[2]
    %p = reduce_sum %product {axes=[1]} : f32[2]
    %y = concat %sum, %max, %l, %p {axis=0} : f32[8]
    return %y
  })")
                    .take();
  const std::map<std::string, Array> inputs = inputs_of(graph, {Values(6, 1), Values(6, 1)});
  const Values wanted = {0, 0, -kInf, -kInf, -2147483648.0, -2147483648.0, 0, 0};
  expect_values(interpret(graph, inputs), wanted, 0);
  PassState state;
  ASSERT_TRUE(run_passes(graph, state, {}, {}, "").ok());
  for (const auto& [name, results] : run_everywhere(graph, inputs)) {
    SCOPED_TRACE(name);
    expect_values(results, wanted, 0);
  }
}

}  // namespace
}  // namespace tessera::e2e
