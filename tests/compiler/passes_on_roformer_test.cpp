// SPDX-License-Identifier: Apache-2.0
// The passes on RoFormerV2 as PyTorch exports it: what is found, that answers stay, and that
// packing still refuses angles that go by a token's place in its row.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "compiler/onnx/import/import.h"
#include "compiler/onnx/make/make_model.h"
#include "ir/interpreter.h"
#include "passes/pipeline.h"
#include "tests/compiler/onnx/builder.h"

namespace tessera::test {
namespace {

// Two layers, three rows of five tokens.
Expected<Graph> roformer() {
  const TempFolder folder;
  MakeModelOptions options{2, 16, 2, 32, 50, 16};
  options.family = ModelFamily::RoFormerV2;
  TRY(make_model(options, folder / "m.onnx"));
  return TRY(import_onnx(folder / "m.onnx",
                         {
                             {"input_ids", {3, 5}}
  }))
      .graph;
}

std::vector<Array> answers(const Graph& graph) {
  std::mt19937 random(7);
  std::map<std::string, Array> inputs;
  for (const Node* input : graph.inputs) {
    Array array{input->type, {}};
    const auto values = static_cast<uint32_t>(input->name == "input_ids" ? 50 : 2);
    for (int64_t i = 0; i < elements(input->type.shape); ++i)
      array.data.push_back(i % 5 == 0 ? 1 : random() % values);  // each row has a token
    inputs[input->name] = std::move(array);
  }
  auto out = interpret(graph, inputs);
  EXPECT_TRUE(out.ok());
  return *out;
}

TEST(PassesOnRoFormer, find_every_pattern_and_keep_the_meaning) {
  Expected<Graph> graph = roformer();
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  const std::vector<Array> before = answers(*graph);
  PassState state;
  ASSERT_TRUE(run_passes(*graph, state, {}, {}, "").ok());
  std::map<Op, int> count;
  for (const auto& node : graph->nodes()) ++count[node->op];
  EXPECT_EQ(count[Op::Attention], 2);
  EXPECT_EQ(count[Op::Rotary], 2);
  EXPECT_EQ(count[Op::RmsNorm], 5);
  // Of a layer: q, k and v; the output; two maps between. And two of the head.
  EXPECT_EQ(count[Op::MatMul], 2 * 4 + 2);
  for (Op left : {Op::Transpose, Op::Concat, Op::Softmax, Op::Sqrt, Op::Div, Op::ReduceSum})
    EXPECT_EQ(count[left], 0) << info(left).text << " is left over";
  const std::vector<Array> after = answers(*graph);
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < after.size(); ++i)
    EXPECT_THAT(after[i].data, testing::Pointwise(testing::DoubleNear(1e-4), before[i].data));
}

TEST(PassesOnRoFormer, packing_refuses_angles_by_place) {
  for (const bool form_a : {true, false}) {
    Expected<Graph> graph = roformer();
    ASSERT_TRUE(graph.ok()) << graph.error().message;
    PassState state;
    state.options.pack_unpack = form_a;
    state.options.pack_attention_mask = !form_a;
    state.options.max_valid_num = 4;
    state.options.segment_max_size = 5;
    const auto done = run_passes(*graph, state, {}, {}, "");
    ASSERT_FALSE(done.ok());
    EXPECT_THAT(done.error().message,
                testing::HasSubstr("(rotary): combines tokens with constants that vary along the "
                                   "sequence axis"));
  }
}

}  // namespace
}  // namespace tessera::test
