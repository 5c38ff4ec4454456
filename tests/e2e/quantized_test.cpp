// SPDX-License-Identifier: Apache-2.0
// A quantized request has the bits that it has alone, whatever stands beside it: its scale is its
// own.
#include <gtest/gtest.h>

#include "compiler/onnx/quantize/quantize_model.h"
#include "tests/e2e/answers.h"
#include "tests/e2e/build.h"

namespace tessera {
namespace {

constexpr int64_t kRows = 4, kLength = 16, kMaxValid = 12;

std::string quantized_bert(QuantizedBy by) {
  const std::string to =
      e2e::scratch_folder() + "/quantized" + std::to_string(static_cast<int>(by)) + ".onnx";
  QuantizeOptions options{.by = by, .skip = {}, .ends = {}};
  const auto matmuls = find_weighted_matmuls(e2e::tiny_bert());
  EXPECT_TRUE(matmuls.ok()) << matmuls.error().message;
  for (const WeightedMatmul& matmul : *matmuls) options.ends[matmul.input] = {-4, 4};
  const auto made = quantize_model(e2e::tiny_bert(), to, options);
  EXPECT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(made->size(), matmuls->size());
  return to;
}

std::shared_ptr<ModelRunner> runner_of(const std::string& model, const CompileOptions& options) {
  MachineOptions machine;
  machine.threads = 1;
  return e2e::load(e2e::build(model, options), machine);
}

class Quantized : public ::testing::TestWithParam<QuantizedBy> {};

TEST_P(Quantized, answers_are_near_those_of_the_model_of_floats) {
  const CompileOptions options = e2e::options_for(kRows, kLength, Precision::Fp32);
  const auto plain = runner_of(e2e::tiny_bert(), options);
  const auto bytes = runner_of(quantized_bert(GetParam()), options);
  ASSERT_TRUE(plain && bytes);
  const std::vector<Request> requests = e2e::draw_requests(50, 1, kLength);
  const std::vector<Answer> wanted = e2e::answers(*plain, requests),
                            got = e2e::answers(*bytes, requests);
  e2e::expect_near(got, wanted, 0.1);
}

TEST_P(Quantized, a_matmul_by_a_weight_is_one_of_bytes_with_all_that_follows) {
  const auto executable =
      e2e::build(quantized_bert(GetParam()), e2e::options_for(kRows, kLength, Precision::Fp32));
  ASSERT_TRUE(executable);
  size_t of_bytes = 0;
  for (const Superstep& step : executable->program.supersteps) {
    EXPECT_NE(step.compute.codelet, "matmul") << step.name;
    of_bytes += step.compute.codelet == "matmul_integer";
  }
  EXPECT_EQ(of_bytes, find_weighted_matmuls(e2e::tiny_bert())->size());
}

TEST_P(Quantized, a_padded_answer_is_that_of_the_request_alone_to_the_bit) {
  const std::string model = quantized_bert(GetParam());
  const auto padded = runner_of(model, e2e::options_for(kRows, kLength, Precision::Fp32));
  ASSERT_TRUE(padded);
  std::vector<Request> requests = e2e::draw_requests(8, 2, kLength);
  const std::vector<Answer> together = e2e::answers(*padded, requests);
  ASSERT_EQ(together.size(), requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto length = std::ssize(requests[i].tokens.at("input_ids"));
    const auto alone = runner_of(model, e2e::options_for(1, length, Precision::Fp32));
    ASSERT_TRUE(alone);
    EXPECT_EQ(e2e::answers(*alone, {requests[i]})[0].outputs, together[i].outputs) << length;
  }
}

TEST_P(Quantized, form_a_gives_every_request_the_padded_answer_to_the_bit) {
  const CompileOptions options = e2e::options_for(kRows, kLength, Precision::Fp32);
  const std::string model = quantized_bert(GetParam());
  const auto padded = runner_of(model, options);
  const auto packed = runner_of(model, e2e::form_a(options, kMaxValid, kLength));
  ASSERT_TRUE(padded && packed);
  const std::vector<Request> requests = e2e::draw_requests(200, 3, kLength);
  const std::vector<Answer> wanted = e2e::answers(*padded, requests),
                            got = e2e::answers(*packed, requests);
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i].outputs, wanted[i].outputs) << i;
}

TEST_P(Quantized, form_b_changes_no_bit_of_another_request) {
  const CompileOptions options = e2e::options_for(kRows, kLength, Precision::Fp32);
  const std::string model = quantized_bert(GetParam());
  const auto padded = runner_of(model, options);
  const auto packed = runner_of(model, e2e::form_b(options));
  ASSERT_TRUE(padded && packed);
  std::vector<Request> requests = e2e::draw_requests(60, 4, kLength);
  const std::vector<Answer> wanted = e2e::answers(*padded, requests);
  const std::vector<Answer> before = e2e::answers(*packed, requests);
  e2e::expect_near(before, wanted, 0.02);
  for (size_t changed = 0; changed < requests.size(); changed += 7) {
    std::vector<Request> others = requests;
    for (int32_t& id : others[changed].tokens["input_ids"]) id = (id + 37) % 100;
    const std::vector<Answer> after = e2e::answers(*packed, others);
    EXPECT_NE(after[changed].outputs, before[changed].outputs);
    for (size_t i = 0; i < requests.size(); ++i) {
      if (i == changed) continue;
      ASSERT_EQ(after[i].outputs, before[i].outputs) << i << " by " << changed;
    }
  }
}

TEST_P(Quantized, at_half_precision_scales_stay_in_f32) {
  const CompileOptions options = e2e::options_for(kRows, kLength, Precision::Fp16);
  const auto half = runner_of(quantized_bert(GetParam()), options);
  const auto plain = runner_of(e2e::tiny_bert(), e2e::options_for(kRows, kLength, Precision::Fp32));
  ASSERT_TRUE(half && plain);
  const std::vector<Request> requests = e2e::draw_requests(30, 5, kLength);
  const std::vector<Answer> wanted = e2e::answers(*plain, requests),
                            got = e2e::answers(*half, requests);
  e2e::expect_near(got, wanted, 0.1);
}

INSTANTIATE_TEST_SUITE_P(, Quantized,
                         ::testing::Values(QuantizedBy::Token, QuantizedBy::Tensor,
                                           QuantizedBy::Ends),
                         [](const auto& info) -> std::string {
                           if (info.param == QuantizedBy::Token) return "by_token";
                           return info.param == QuantizedBy::Tensor ? "by_tensor" : "by_ends";
                         });

}  // namespace
}  // namespace tessera
