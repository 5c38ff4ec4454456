// SPDX-License-Identifier: Apache-2.0
// The passes on RoFormerV2 as PyTorch exports it: what is found, that answers stay, and that in
// packed rows angles go by position.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
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
  // A layer has q, k and v, the output, and two maps between; the head has two.
  EXPECT_EQ(count[Op::MatMul], 2 * 4 + 2);
  for (Op left : {Op::Transpose, Op::Concat, Op::Softmax, Op::Sqrt, Op::Div, Op::ReduceSum})
    EXPECT_EQ(count[left], 0) << info(left).text << " is left over";
  const std::vector<Array> after = answers(*graph);
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < after.size(); ++i)
    EXPECT_THAT(after[i].data, testing::Pointwise(testing::DoubleNear(1e-4), before[i].data));
}

// Three rows of five tokens, of which the first two are one request and the others another: both,
// or (0, 1) one of them alone, from the start of its row.
std::map<std::string, Array> rows_of_two(const Graph& graph, std::optional<int> alone = {}) {
  std::map<std::string, Array> inputs;
  for (const Node* input : graph.inputs) {
    Array array{input->type, std::vector<double>(elements(input->type.shape))};
    for (int64_t token = 0; token < 15; ++token) {
      const int64_t place = token % 5, request = place < 2 ? 0 : 1;
      if (alone && request != *alone) continue;
      const int64_t position = request == 0 ? place : place - 2;
      double& value = array.data[alone ? token - place + position : token];
      if (input->name == "input_ids") value = static_cast<double>(3 + token);
      if (input->name == "attention_mask") value = 1;
      if (input->name == "position_ids") value = static_cast<double>(position);
    }
    if (input->name == "unpack_info") array.data = {2, 3, 2, 3, 2, 3};
    inputs[input->name] = std::move(array);
  }
  return inputs;
}

TEST(PassesOnRoFormer, packing_looks_angles_up_by_position) {
  Expected<Graph> graph = roformer(), packed = roformer();
  ASSERT_TRUE(graph.ok() && packed.ok());
  PassState state;
  state.options.packing = PackingForm::A;
  state.options.max_valid_num = 6;
  state.options.segment_max_size = 5;
  const auto done = run_passes(*packed, state, {}, {}, "");
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(state.packing.position_input, "position_ids");
  const auto together = interpret(*packed, rows_of_two(*packed));
  ASSERT_TRUE(together.ok()) << together.error().message;
  for (const int alone : {0, 1}) {
    const auto wanted = interpret(*graph, rows_of_two(*graph, alone));
    ASSERT_TRUE(wanted.ok()) << wanted.error().message;
    for (size_t output = 0; output < wanted->size(); ++output) {
      const int64_t row_size = elements((*wanted)[output].type.shape) / 3;
      const bool by_token = (*wanted)[output].type.shape.size() == 3;
      const int64_t count = by_token ? row_size / 5 * (2 + alone) : row_size;
      for (int64_t row = 0; row < 3; ++row)
        for (int64_t i = 0; i < count; ++i)
          EXPECT_NEAR((*together)[output].data[(row * 2 + alone) * row_size + i],
                      (*wanted)[output].data[row * row_size + i], 1e-5)
              << "output " << output << ", row " << row;
    }
  }
}

}  // namespace
}  // namespace tessera::test
