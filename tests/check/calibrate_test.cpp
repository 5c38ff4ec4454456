// SPDX-License-Identifier: Apache-2.0
// Calibration of models whose best scales are known: their inputs and weights are all numbers of
// fp8, times a power of two.
#include "check/calibrate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "check/layers.h"
#include "compiler/compile.h"
#include "support/fp8.h"
#include "tests/compiler/onnx/builder.h"

namespace tessera::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kRows = 5, kWidth = 255;

// Every number of f143 but NaN, times 2^scale.
std::vector<float> all_numbers(int scale) {
  std::vector<float> numbers;
  for (int code = 0; code < 256; ++code)
    if (code != kFp8NaN)
      numbers.push_back(std::ldexp(from_fp8(DType::F143, static_cast<uint8_t>(code)), scale));
  return numbers;
}

// Two matmuls of two inputs, as those of one are merged: by numbers at scale `first`, and by what
// is not a power of two.
std::string two_matmuls(const TempFolder& folder, int first) {
  ModelBuilder m;
  m.input("x", TensorProto::FLOAT, "5,255").input("z", TensorProto::FLOAT, "5,255");
  m.output("a").output("b");
  std::vector<float> exact = all_numbers(first);
  for (float& number : exact) number = std::abs(number);  // a sum of 0 would stay in f32
  m.floats("w", exact, {kWidth, 1});
  std::vector<float> odd(kWidth);
  for (size_t i = 0; i < odd.size(); ++i) odd[i] = 0.0123F * (static_cast<float>(i % 7) - 2.9F);
  m.floats("v", odd, {kWidth, 1});
  m.node("MatMul", {"x", "w"}, {"a"}, "exact");
  m.node("MatMul", {"z", "v"}, {"b"}, "rounded");
  return m.save(folder);
}

// Five rows, each with all numbers.
Sample sample_at(int scale) {
  Array rows{
      {DType::F32, {kRows, kWidth}},
      {}
  };
  for (int64_t row = 0; row < kRows; ++row)
    for (const float number : all_numbers(scale)) rows.data.push_back(number);
  return {
      "all numbers", {{"x", rows}, {"z", rows}}
  };
}

CalibrationOptions options_of(Fp8Loss loss, int scale) {
  CalibrationOptions options{
      .compile = {}, .samples = {sample_at(scale)}, .machine = {}, .loss = loss};
  options.compile.precision = Precision::Fp8;
  options.compile.target = *target_preset("test");
  options.machine.threads = 1;
  return options;
}

TEST(Calibration, finds_the_scales_of_a_model_that_has_them_by_every_loss) {
  const TempFolder folder;
  const std::string model = two_matmuls(folder, -5);
  for (const Fp8Loss loss : kFp8Losses) {
    const auto found = calibrate_fp8(model, options_of(loss, -2));
    ASSERT_TRUE(found.ok()) << found.error().message;
    ASSERT_EQ(found->size(), 2U);
    const CalibratedMatmul& exact = (*found)[0];
    EXPECT_EQ(exact.name, "exact");
    EXPECT_EQ(exact.params, (Fp8Params{DType::F143, DType::F143, -2, -5})) << to_string(loss);
    EXPECT_EQ(exact.input_loss, 0);
    EXPECT_EQ(exact.weight_loss, 0);
    EXPECT_THAT(exact.product_losses, ::testing::Each(0.0));
    const CalibratedMatmul& rounded = (*found)[1];
    EXPECT_EQ(rounded.params.input_scale, -2);
    EXPECT_GT(rounded.product_losses[0], 0);
  }
}

TEST(Calibration, its_options_make_the_exact_matmul_exact) {
  const TempFolder folder;
  const std::string model = two_matmuls(folder, -5);
  const CalibrationOptions options = options_of(Fp8Loss::Kld, -2);
  const auto found = calibrate_fp8(model, options);
  ASSERT_TRUE(found.ok());
  Arrays without_signs = options.samples[0].arrays;  // with them, sums would be of 0 at any scale
  for (auto& [name, array] : without_signs)
    for (double& number : array.data) number = std::abs(number);
  const auto output = [&](const CompileOptions& compile_options) -> std::vector<double> {
    auto compiled = compile(model, compile_options);
    if (!compiled.ok()) {
      ADD_FAILURE() << compiled.error().message;
      return {};
    }
    auto runner = ModelRunner::create(
        std::make_shared<const Executable>(std::move(compiled->executable)), options.machine);
    const auto outputs = run_batch(**runner, without_signs);
    EXPECT_TRUE(outputs.ok());
    return outputs->at("a").data;
  };
  CompileOptions half = options.compile;
  half.precision = Precision::Fp16;
  const auto calibrated = with_calibration(options.compile, *found, Fp8Loss::Kld, 0);
  ASSERT_TRUE(calibrated.ok());
  EXPECT_EQ(output(*calibrated), output(half));
  CompileOptions coarse = options.compile;
  coarse.fp8_params.input_scale = 16;
  EXPECT_NE(output(coarse), output(half)) << "inputs are not numbers of this scale";
}

TEST(Calibration, the_worst_matmuls_stay_in_fp16) {
  const TempFolder folder;
  const std::string model = two_matmuls(folder, -5);
  const CalibrationOptions options = options_of(Fp8Loss::Mse, -2);
  const auto found = calibrate_fp8(model, options);
  ASSERT_TRUE(found.ok());
  const auto kept = with_calibration(options.compile, *found, Fp8Loss::Mse, 1);
  ASSERT_TRUE(kept.ok());
  EXPECT_THAT(kept->fp8_skip_op_names, ElementsAre("rounded"));
  ASSERT_EQ(kept->fp8_op_params.size(), 1U);
  EXPECT_EQ(kept->fp8_op_params.begin()->first, "exact");
  EXPECT_EQ(with_calibration(options.compile, *found, Fp8Loss::Mse, 3).error().message,
            "num_of_layers_keep_fp16: is 3, must be from 0 to 2, the matmuls that may be fp8");
}

TEST(Calibration, leaves_out_what_is_skipped_and_wants_something_to_do) {
  const TempFolder folder;
  const std::string model = two_matmuls(folder, -5);
  CalibrationOptions options = options_of(Fp8Loss::Mse, -2);
  options.compile.fp8_skip_op_names = {"rounded"};
  const auto one = calibrate_fp8(model, options);
  ASSERT_TRUE(one.ok()) << one.error().message;
  EXPECT_EQ(one->size(), 1U);
  options.compile.fp8_skip_op_names = {"rounded", "exact"};
  EXPECT_THAT(calibrate_fp8(model, options).error().message,
              HasSubstr("no matmul of fp16 by weights is there, must be one to calibrate"));
  options.samples.clear();
  EXPECT_THAT(calibrate_fp8(model, options).error().message,
              HasSubstr("there is no sample to calibrate with, must be one"));
}

}  // namespace
}  // namespace tessera::test
