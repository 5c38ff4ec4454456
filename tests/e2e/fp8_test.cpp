// SPDX-License-Identifier: Apache-2.0
// A model in fp8: its answers, its weights' bytes, and that packing changes neither.
#include <gtest/gtest.h>

#include "compiler/convert.h"
#include "compiler/onnx/quantize/quantize_model.h"
#include "ir/interpreter.h"
#include "tests/e2e/answers.h"
#include "tests/e2e/build.h"

namespace tessera::in_fp8 {
namespace {

constexpr int64_t kRows = 4, kLength = 16, kMaxValid = 12;

std::vector<Answer> answers(const CompileOptions& options, const std::vector<Request>& requests) {
  MachineOptions machine;
  machine.threads = 1;
  const auto runner = e2e::load(e2e::build(e2e::tiny_bert(), options), machine);
  return runner ? e2e::answers(*runner, requests) : std::vector<Answer>();
}

class InFp8 : public ::testing::TestWithParam<Precision> {
 protected:
  static CompileOptions options() { return e2e::options_for(kRows, kLength, GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Precisions, InFp8, ::testing::Values(Precision::Fp8, Precision::Fp8Weight),
                         [](const auto& info) {
                           return info.param == Precision::Fp8 ? "fp8" : "fp8_weight";
                         });

// Three bits of fraction are a sixteenth at most, and many terms even it out.
TEST_P(InFp8, answers_are_near_those_of_fp32) {
  const std::vector<Request> requests = e2e::draw_requests(40, 1, kLength);
  e2e::expect_near(answers(options(), requests),
                   answers(e2e::options_for(kRows, kLength, Precision::Fp32), requests), 0.15);
}

// All but the sums of f16, which are cut as suits the number of rows; where that moves a number by
// the last bit, its code in fp8 may be the next.
TEST_P(InFp8, packed_answers_are_near_the_padded_ones) {
  const std::vector<Request> requests = e2e::draw_requests(40, 2, kLength);
  const std::vector<Answer> padded = answers(options(), requests);
  const double most = GetParam() == Precision::Fp8 ? 0.1 : 0.02;
  CompileOptions form_a = options();
  form_a.pack_args = {.max_valid_num = kMaxValid, .segment_max_size = kLength};
  e2e::expect_near(answers(form_a, requests), padded, most);
  CompileOptions form_b = options();
  form_b.passes = {"insert_attention_mask"};
  e2e::expect_near(answers(form_b, requests), padded, most);
}

TEST_P(InFp8, a_matmul_by_a_weight_reads_a_byte_for_each_of_its_elements) {
  const auto converted = convert(e2e::tiny_bert(), options());
  ASSERT_TRUE(converted.ok()) << converted.error().message;
  size_t of_fp8 = 0, casts_of_weights = 0;
  for (const auto& node : converted->graph.nodes()) {
    EXPECT_FALSE(node->is(Op::MatMul) && node->in[1]->is(Op::Constant)) << node->name;
    of_fp8 += node->is(Op::MatMulFp8);
    casts_of_weights += node->is(Op::ScaledCast) && node->in[0]->is(Op::Constant);
    EXPECT_TRUE(!node->is(Op::MatMulFp8) || size_of(node->in[1]->type.dtype) == 1);
  }
  const auto plain = convert(e2e::tiny_bert(), e2e::options_for(kRows, kLength, Precision::Fp16));
  ASSERT_TRUE(plain.ok());
  size_t by_weights = 0;
  for (const auto& node : plain->graph.nodes())
    by_weights += node->is(Op::MatMul) && node->in[1]->is(Op::Constant);
  EXPECT_GT(by_weights, 0U);
  EXPECT_EQ(of_fp8, GetParam() == Precision::Fp8 ? by_weights : 0);
  EXPECT_EQ(casts_of_weights, GetParam() == Precision::Fp8 ? 0 : by_weights);
}

TEST(Fp8Options, a_matmul_that_is_named_stays_in_fp16) {
  CompileOptions options = e2e::options_for(kRows, kLength, Precision::Fp8);
  const auto all = convert(e2e::tiny_bert(), options);
  ASSERT_TRUE(all.ok());
  std::string name;
  size_t before = 0;
  for (const auto& node : all->graph.nodes()) {
    if (!node->is(Op::MatMulFp8)) continue;
    ++before;
    name = node->origin.front();
  }
  options.fp8_skip_op_names = {name};
  const auto fewer = convert(e2e::tiny_bert(), options);
  ASSERT_TRUE(fewer.ok()) << fewer.error().message;
  size_t after = 0;
  for (const auto& node : fewer->graph.nodes()) after += node->is(Op::MatMulFp8);
  EXPECT_EQ(after, before - 1) << name;
  options.fp8_skip_op_names = {"no such node"};
  EXPECT_EQ(convert(e2e::tiny_bert(), options)
                .error()
                .message.find(
                    "fp8_skip_op_names: there is no node or value 'no such node', the nearest is"),
            0U);
}

TEST(Fp8Options, formats_and_scales_are_those_that_are_asked_for) {
  CompileOptions options = e2e::options_for(kRows, kLength, Precision::Fp8);
  options.fp8_params = {DType::F152, DType::F143, 2, -5};
  const auto converted = convert(e2e::tiny_bert(), options);
  ASSERT_TRUE(converted.ok());
  size_t seen = 0;
  for (const auto& node : converted->graph.nodes()) {
    if (!node->is(Op::MatMulFp8)) continue;
    ++seen;
    EXPECT_EQ(node->in[0]->type.dtype, DType::F152);
    EXPECT_EQ(node->in[0]->int_attr("scale"), -2);
    EXPECT_EQ(node->in[1]->type.dtype, DType::F143);
    EXPECT_EQ(node->int_attr("scale"), -3);
  }
  EXPECT_GT(seen, 0U);
}

// Written as ONNX and compiled from there: the same executable.
TEST(Fp8Options, a_converted_model_compiles_to_the_same_answers) {
  const CompileOptions options = e2e::options_for(kRows, kLength, Precision::Fp8);
  const auto converted = convert(e2e::tiny_bert(), options);
  ASSERT_TRUE(converted.ok());
  const std::string path = e2e::scratch_folder() + "/fp8.onnx";
  ASSERT_TRUE(write_converted(*converted, path).ok());
  const auto direct = e2e::build(e2e::tiny_bert(), options);
  CompileOptions again;
  again.target = options.target;
  const auto indirect = e2e::build(path, again);
  ASSERT_TRUE(direct && indirect);
  EXPECT_EQ(direct->metadata.cycles.total, indirect->metadata.cycles.total);
}

}  // namespace
}  // namespace tessera::in_fp8
