// SPDX-License-Identifier: Apache-2.0
// A model in fp8: its answers, its weights' bytes, and that packing changes neither.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "compiler/convert.h"
#include "compiler/onnx/quantize/quantize_model.h"
#include "ir/interpreter.h"
#include "serving/offline_runner.h"
#include "tests/e2e/build.h"

namespace tessera::in_fp8 {
namespace {

constexpr int64_t kRows = 4, kLength = 16, kMaxValid = 12;

std::vector<Request> draw_requests(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Request> requests(count);
  for (Request& request : requests) {
    const size_t length = 1 + random() % kLength;
    for (size_t i = 0; i < length; ++i) {
      request.tokens["input_ids"].push_back(static_cast<int32_t>(random() % 100));
      request.tokens["token_type_ids"].push_back(static_cast<int32_t>(random() % 2));
    }
  }
  return requests;
}

std::vector<Answer> answers(const CompileOptions& options, const std::vector<Request>& requests) {
  MachineOptions machine;
  machine.threads = 1;
  const auto runner = e2e::load(e2e::build(e2e::tiny_bert(), options), machine);
  if (!runner) return {};
  auto result = run_offline(*runner, PackPolicy::FirstFit, requests);
  EXPECT_TRUE(result.ok()) << result.error().message;
  return result.ok() ? result->answers : std::vector<Answer>();
}

std::vector<float> floats(const std::vector<std::byte>& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

// Of all outputs, by the length of what is wanted.
double relative_error(const Answer& got, const Answer& wanted) {
  double squares = 0, length = 0;
  for (const auto& [name, bytes] : wanted.outputs) {
    const std::vector<float> x = floats(got.outputs.at(name)), y = floats(bytes);
    EXPECT_EQ(x.size(), y.size());
    for (size_t i = 0; i < y.size(); ++i) {
      squares += std::pow(double{x[i]} - double{y[i]}, 2);
      length += double{y[i]} * double{y[i]};
    }
  }
  return std::sqrt(squares / length);
}

void expect_near(const std::vector<Answer>& got, const std::vector<Answer>& wanted, double most) {
  ASSERT_EQ(got.size(), wanted.size());
  ASSERT_FALSE(got.empty());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_LT(relative_error(got[i], wanted[i]), most) << i;
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
  const std::vector<Request> requests = draw_requests(40, 1);
  expect_near(answers(options(), requests),
              answers(e2e::options_for(kRows, kLength, Precision::Fp32), requests), 0.15);
}

// All but the sums of f16, which are cut as suits the number of rows; where that moves a number by
// the last bit, its code in fp8 may be the next.
TEST_P(InFp8, packed_answers_are_near_the_padded_ones) {
  const std::vector<Request> requests = draw_requests(40, 2);
  const std::vector<Answer> padded = answers(options(), requests);
  const double most = GetParam() == Precision::Fp8 ? 0.1 : 0.02;
  CompileOptions form_a = options();
  form_a.pack_args = {.max_valid_num = kMaxValid, .segment_max_size = kLength};
  expect_near(answers(form_a, requests), padded, most);
  CompileOptions form_b = options();
  form_b.passes = {"insert_attention_mask"};
  expect_near(answers(form_b, requests), padded, most);
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
