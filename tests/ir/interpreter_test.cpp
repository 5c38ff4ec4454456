// SPDX-License-Identifier: Apache-2.0
#include "ir/interpreter.h"

#include "ir/text.h"
#include "tests/ir/run.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

constexpr const char* kSum =
    "graph @f(%x: f32[2], %y: f32[2]) { %s = add %x, %y : f32[2] return %s, %x as \"again\" }";

std::string error_of(const std::map<std::string, Array>& inputs) {
  const Graph graph = parsed(kSum);
  const Expected<std::vector<Array>> results = interpret(graph, inputs);
  return results.ok() ? "" : results.error().message;
}

TEST(Interpreter, results_come_in_the_order_of_the_outputs) {
  const std::vector<Array> results = run_all(kSum, {
                                                       {1,  2 },
                                                       {10, 20}
  });
  ASSERT_EQ(results.size(), 2u);
  EXPECT_THAT(results[0].data, ElementsAre(11, 22));
  EXPECT_THAT(results[1].data, ElementsAre(1, 2));
}

TEST(Interpreter, inputs_and_every_result_are_rounded_to_their_dtype) {
  EXPECT_THAT(run("graph @f(%x: f16[1]) { %a = add %x, %x : f16[1] %b = sub %a, %x : f16[1]"
                  " return %b }",
                  {{2049}}),
              ElementsAre(2048));
}

TEST(Interpreter, a_value_that_is_used_twice_and_returned_is_still_there) {
  const std::vector<Array> results = run_all(
      "graph @f(%x: f32[1]) { %a = mul %x, %x : f32[1] %b = mul %a, %a : f32[1]"
      " return %a, %b }",
      {{3}});
  EXPECT_THAT(results[0].data, ElementsAre(9));
  EXPECT_THAT(results[1].data, ElementsAre(81));
}

TEST(Interpreter, a_missing_input_is_named) {
  EXPECT_EQ(error_of({
                {"x", {{DType::F32, {2}}, {1, 2}}}
  }),
            "y: input: is missing, must be given");
}

TEST(Interpreter, an_input_of_another_type_is_refused) {
  const Array x{
      {DType::F32, {2}},
      {1,          2  }
  };
  EXPECT_EQ(error_of({
                {"x", x                             },
                {"y", {{DType::F32, {3}}, {1, 2, 3}}}
  }),
            "y: input: is f32[3], must be f32[2]");
  EXPECT_EQ(error_of({
                {"x", x                          },
                {"y", {{DType::I32, {2}}, {1, 2}}}
  }),
            "y: input: is i32[2], must be f32[2]");
}

TEST(Interpreter, a_constant_without_data_has_no_value) {
  EXPECT_EQ(run_error("graph @f() { %c = constant {elided=\"00\"} : f32[2] return %c }", {}),
            "c: constant: has no data: its text left them out");
}

TEST(Interpreter, a_tensor_that_no_host_holds_is_refused) {
  EXPECT_EQ(run_error("graph @f(%x: f32[]) { %y = broadcast %x {shape=[1099511627776]} :"
                      " f32[1099511627776] return %y }",
                      {{1}}),
            "y: broadcast: is f32[1099511627776], must have at most 268435456 elements to be "
            "interpreted");
}

}  // namespace
}  // namespace tessera
