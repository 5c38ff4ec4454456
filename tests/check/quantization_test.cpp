// SPDX-License-Identifier: Apache-2.0
#include "check/quantization.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/check/encoder.h"
#include "tests/helpers/paths.h"

namespace tessera::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string bert() { return source_dir() + "/tests/data/hf_bert_qa_op11_oldnames/model.onnx"; }

QuantizationOptions usual(QuantizedBy by = QuantizedBy::Token) {
  QuantizationOptions options;
  options.by = by;
  options.machine.threads = 1;
  return options;
}

QuantizationReport quantized(const std::string& model, const std::string& to,
                             const QuantizationOptions& options) {
  auto report = quantize_and_measure(model, to, options);
  EXPECT_TRUE(report.ok()) << report.error().message;
  return report.ok() ? report.take() : QuantizationReport();
}

std::string error_of(const std::string& model, const std::string& to,
                     const QuantizationOptions& options) {
  const auto report = quantize_and_measure(model, to, options);
  EXPECT_FALSE(std::filesystem::exists(to)) << "nothing is written where there is an error";
  return report.ok() ? "" : report.error().message;
}

Array floats_of(const Shape& shape, const std::vector<double>& data) {
  return {
      {DType::F32, shape},
      data
  };
}
Array ints_of(const Shape& shape, const std::vector<double>& data) {
  return {
      {DType::I32, shape},
      data
  };
}

// y = x·w, and z = y·v: two matmuls of 4 terms over rows that the model leaves open.
ModelBuilder two_products() {
  ModelBuilder m;
  m.input("x", TensorProto::FLOAT, "rows,4").output("z");
  m.floats("w", numbers(16, 1), {4, 4}).set_name("w");
  m.floats("v", numbers(16, 2), {4, 4}).set_name("v");
  m.node("MatMul", {"x", "w"}, {"y"}, "first");
  m.node("MatMul", {"y", "v"}, {"z"}, "second");
  return m;
}

class Quantization : public ::testing::TestWithParam<QuantizedBy> {};

TEST_P(Quantization, every_matmul_and_every_output_has_an_error_that_is_small_and_not_0) {
  const TempFolder folder;
  const QuantizationReport report = quantized(bert(), folder / "q.onnx", usual(GetParam()));
  ASSERT_GT(report.matmuls.size(), 5u);
  EXPECT_EQ(report.quantized(), std::ssize(report.matmuls));
  for (const QuantizedMatmul& one : report.matmuls) {
    EXPECT_GT(one.error.relative, 1e-6) << one.is.node;
    EXPECT_LT(one.error.relative, 0.2) << one.is.node;
    EXPECT_FALSE(one.alone) << "it takes a compile for each, and was not asked for";
  }
  ASSERT_EQ(report.outputs.size(), 2u);
  for (const QuantizedOutput& output : report.outputs) {
    EXPECT_GT(output.error.relative, 1e-6);
    EXPECT_LT(output.error.relative, 0.2);
    EXPECT_GT(output.error.cosine, 0.98);
    EXPECT_LE(output.error.largest, output.error.magnitude);
  }
  EXPECT_LT(report.int8_bytes(), report.float_bytes() / 2);
  const auto left = find_weighted_matmuls(folder / "q.onnx");
  ASSERT_TRUE(left.ok());
  EXPECT_THAT(*left, IsEmpty()) << "all of them are in bytes";
  // A scale of a value is one for each request here, and one for the batch of the reference.
  if (GetParam() == QuantizedBy::Tensor) return;
  CheckOptions check;
  check.machine.threads = 1;
  const auto checked = check_model(folder / "q.onnx", check);
  ASSERT_TRUE(checked.ok()) << checked.error().message;
  EXPECT_TRUE(checked->all_well()) << "what was written is right here";
}

INSTANTIATE_TEST_SUITE_P(, Quantization,
                         ::testing::Values(QuantizedBy::Token, QuantizedBy::Tensor,
                                           QuantizedBy::Ends),
                         [](const auto& info) { return std::string(to_string(info.param)); });

TEST(Quantizing, a_scale_of_a_token_is_nearer_than_one_of_the_tensor) {
  const TempFolder folder;
  const double token = quantized(bert(), folder / "a.onnx", usual(QuantizedBy::Token)).worst();
  const double tensor = quantized(bert(), folder / "b.onnx", usual(QuantizedBy::Tensor)).worst();
  EXPECT_LT(token, tensor);
}

TEST(Quantizing, without_a_calibration_set_says_that_numbers_are_random) {
  const TempFolder folder;
  QuantizationOptions options = usual(QuantizedBy::Ends);
  EXPECT_THAT(quantized(bert(), folder / "q.onnx", options).warnings,
              ElementsAre(HasSubstr("no calibration set: scales are those of numbers drawn")));
  options.samples = {
      {"mine", {{"input_ids", ints_of({5}, {5, 6, 7, 8, 9})}}}
  };
  const QuantizationReport report = quantized(bert(), folder / "q.onnx", options);
  EXPECT_THAT(report.warnings, IsEmpty());
  EXPECT_EQ(report.samples, "1 samples, in 1 batches of 1x5");
}

TEST(Quantizing, fixed_ends_are_those_of_the_calibration_set) {
  const TempFolder folder;
  const std::string model = two_products().save(folder);
  QuantizationOptions options = usual(QuantizedBy::Ends);
  options.samples = {
      {"mine", {{"x", floats_of({2, 4}, {0, -1, 0.5, 0, 2, 3, 0.25, 1})}}}
  };
  quantized(model, folder / "q.onnx", options);
  const auto made = import_onnx(folder / "q.onnx", given("x", {2, 4}));
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_TRUE(std::ranges::any_of(made->graph.nodes(), [](const auto& node) {
    return node->is(Op::Constant) && node->type.dtype == DType::F32 &&
           elements(node->type.shape) == 1 &&
           to_array(node->value).data[0] == static_cast<float>(4.0 / 255);
  })) << "-1 to 3, by 255";
}

TEST(Quantizing, padding_is_not_measured_and_has_no_say_in_the_ends) {
  const TempFolder folder;
  QuantizationOptions options = usual(QuantizedBy::Ends);
  options.samples = {
      {"mine", {{"input_ids", ints_of({5}, {5, 6, 7, 8, 9})}}}
  };
  const QuantizationReport alone = quantized(bert(), folder / "a.onnx", options);
  options.input_shape = given("input_ids", {3, 12});
  for (const char* name : {"attention_mask", "token_type_ids"}) options.input_shape[name] = {3, 12};
  const QuantizationReport padded = quantized(bert(), folder / "b.onnx", options);
  ASSERT_EQ(alone.matmuls.size(), padded.matmuls.size());
  for (size_t i = 0; i < alone.matmuls.size(); ++i)
    EXPECT_NEAR(alone.matmuls[i].error.relative, padded.matmuls[i].error.relative,
                0.02 * alone.matmuls[i].error.relative)
        << alone.matmuls[i].is.node;
  options.samples = {
      {"masked",
       {{"input_ids", ints_of({1, 7}, {5, 6, 7, 8, 9, 0, 0})},
        {"attention_mask", ints_of({1, 7}, {1, 1, 1, 1, 1, 0, 0})}}}
  };
  EXPECT_EQ(quantized(bert(), folder / "c.onnx", options).worst(), padded.worst());
}

TEST(Quantizing, matmuls_stay_as_they_are_by_name) {
  const TempFolder folder;
  const std::string model = two_products().save(folder);
  QuantizationOptions options = usual();
  options.skip = {"first"};
  const QuantizationReport report = quantized(model, folder / "q.onnx", options);
  EXPECT_EQ(report.quantized(), 1);
  EXPECT_EQ(report.matmuls[0].why_not, "asked for");
  EXPECT_EQ(report.matmuls[0].error.relative, 0);
  EXPECT_GT(report.matmuls[1].error.relative, 0);
  const auto left = find_weighted_matmuls(folder / "q.onnx");
  ASSERT_EQ(left->size(), 1u);
  EXPECT_EQ((*left)[0].node, "first");
  options.skip = {"frist"};
  EXPECT_THAT(error_of(model, folder / "none.onnx", options), HasSubstr("the nearest is 'first'"));
  options.skip = {"first", "z"};
  EXPECT_THAT(error_of(model, folder / "none.onnx", options), HasSubstr("that is not skipped"));
}

TEST(Quantizing, the_most_sensitive_stay_as_they_are) {
  const TempFolder folder;
  QuantizationOptions options = usual();
  options.skip_most_sensitive = 2;
  const QuantizationReport report = quantized(bert(), folder / "q.onnx", options);
  EXPECT_EQ(report.quantized(), std::ssize(report.matmuls) - 2);
  double least_skipped = INFINITY, most_kept = 0;
  for (const QuantizedMatmul& one : report.matmuls) {
    ASSERT_TRUE(one.alone) << one.is.node;
    if (one.quantized) most_kept = std::max(most_kept, *one.alone);
    if (one.quantized) continue;
    least_skipped = std::min(least_skipped, *one.alone);
    EXPECT_EQ(one.why_not, "sensitive");
  }
  EXPECT_GE(least_skipped, most_kept);
  EXPECT_LT(report.worst(), quantized(bert(), folder / "all.onnx", usual()).worst());
  options.skip_most_sensitive = std::ssize(report.matmuls);
  EXPECT_THAT(error_of(bert(), folder / "none.onnx", options), HasSubstr("must be at most"));
}

TEST(Quantizing, as_many_stay_as_they_are_as_the_error_asks_for) {
  const TempFolder folder;
  const QuantizationReport all = quantized(bert(), folder / "all.onnx", usual());
  QuantizationOptions options = usual();
  options.max_error = 2 * all.worst();
  EXPECT_EQ(quantized(bert(), folder / "q.onnx", options).quantized(), all.quantized());
  options.max_error = 0.6 * all.worst();
  const QuantizationReport fewer = quantized(bert(), folder / "q.onnx", options);
  EXPECT_LE(fewer.worst(), *options.max_error);
  EXPECT_LT(fewer.quantized(), all.quantized());
  EXPECT_GT(fewer.quantized(), 0);
  QuantizationOptions one_less = usual();
  one_less.skip_most_sensitive = all.quantized() - fewer.quantized() - 1;
  EXPECT_GT(quantized(bert(), folder / "q.onnx", one_less).worst(), *options.max_error)
      << "no more stay than have to";
  options.max_error = 1e-9;
  EXPECT_THAT(error_of(bert(), folder / "none.onnx", options),
              HasSubstr("alone in bytes, must be at most 1e-09 (--max_error)"));
}

TEST(Quantizing, rows_of_a_model_without_tokens_are_taken_in_batches) {
  const TempFolder folder;
  const std::string model = two_products().save(folder);
  QuantizationOptions options = usual();
  std::vector<double> x(7 * 4);
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<double>(i));
  options.samples = {
      {"mine", {{"x", floats_of({7, 4}, x)}}}
  };
  const QuantizationReport report = quantized(model, folder / "q.onnx", options);
  EXPECT_EQ(report.samples, "1 samples, in 2 batches");
  EXPECT_GT(report.worst(), 1e-6);
  EXPECT_LT(report.worst(), 0.05);
}

TEST(Quantizing, samples_that_do_not_fit_are_named) {
  const TempFolder folder;
  const std::string none = folder / "none.onnx";
  const auto with = [&](const Arrays& arrays) {
    QuantizationOptions options = usual();
    options.input_shape = given("input_ids", {2, 8});
    options.samples = {
        {"mine", arrays}
    };
    return error_of(bert(), none, options);
  };
  EXPECT_THAT(with({}), HasSubstr("sample 'mine': has no 'input_ids'"));
  EXPECT_THAT(with({
                  {"input_ids", ints_of({9}, std::vector<double>(9, 5))}
  }),
              HasSubstr("has 9 tokens a row, must have 1 to 8"));
  EXPECT_THAT(with({
                  {"input_ids", ints_of({2}, {5, 6})},
                  {"nobody",    ints_of({2}, {5, 6})}
  }),
              HasSubstr("'nobody' is not an input of the model"));
  EXPECT_THAT(
      with({
          {"input_ids",      ints_of({2}, {5, 6})   },
          {"attention_mask", ints_of({3}, {1, 1, 1})}
  }),
      HasSubstr("'attention_mask' is [3], must be [2]"));
  const std::string products = two_products().save(folder);
  QuantizationOptions options = usual();
  options.samples = {
      {"mine", {{"x", floats_of({2, 3}, std::vector<double>(6))}}}
  };
  EXPECT_THAT(error_of(products, none, options), HasSubstr("'x' is [2,3], must be [2,4]"));
}

TEST(Quantizing, options_that_do_not_go_together_are_refused) {
  const TempFolder folder;
  const auto with = [&](auto change) {
    QuantizationOptions options = usual();
    change(options);
    const auto report = quantize_and_measure(bert(), folder / "none.onnx", options);
    EXPECT_FALSE(report.ok());
    EXPECT_EQ(report.error().kind, ErrorKind::Usage);
    return report.error().message;
  };
  EXPECT_THAT(with([](auto& o) { o.max_error = 0.1, o.skip_most_sensitive = 1; }),
              HasSubstr("must have at most one of them"));
  EXPECT_THAT(with([](auto& o) { o.max_error = 0; }), HasSubstr("must be above 0"));
  EXPECT_THAT(with([](auto& o) { o.skip_most_sensitive = -1; }), HasSubstr("must be 0 or more"));
  EXPECT_THAT(with([](auto& o) { o.random_requests = 0; }), HasSubstr("must be 1 to 10000"));
  EXPECT_FALSE(parse_quantized_by("row").ok());
}

TEST(Quantizing, the_report_is_json_too) {
  const TempFolder folder;
  const std::string model = two_products().save(folder);
  QuantizationOptions options = usual();
  options.skip_most_sensitive = 1;
  const auto json = quantization_json(quantized(model, folder / "q.onnx", options));
  EXPECT_EQ(json.begin().key(), "schema");
  EXPECT_EQ(json["quantized"], 1);
  EXPECT_EQ(json["scales"], "token");
  EXPECT_EQ(json["matmuls"].size(), 2u);
  EXPECT_EQ(json["worst_error"], json["outputs"][0]["error"]);
  for (const auto& one : json["matmuls"]) {
    EXPECT_GT(one["error_alone"], 0);
    EXPECT_EQ(one.contains("why_not"), !one["quantized"].get<bool>());
  }
}

}  // namespace
}  // namespace tessera::test
