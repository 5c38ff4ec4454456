// SPDX-License-Identifier: Apache-2.0
// A model that was exported in float16 and is packed: each request beside what ONNX Runtime
// answered for that request alone (tests/data/packed). The tolerance is that of fp16 elsewhere, in
// units of the answers' deviation; a neighbour's token or another position moves them by far more.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "serving/offline_runner.h"
#include "tests/e2e/build.h"
#include "tests/helpers/onnx_case.h"
#include "tests/helpers/paths.h"

namespace tessera {
namespace {

constexpr int64_t kRows = 3, kLength = 16, kMaxValid = 8;
constexpr test::Tolerance kOfFp16 = {1e-5, 0.03, 0};

struct Row {
  const char* name;
  PackingForm form;
  Precision precision;
};
void PrintTo(const Row& way, std::ostream* out) { *out << way.name; }
const Row kWays[] = {
    {"form_a_fp32", PackingForm::A, Precision::Fp32},
    {"form_a_fp16", PackingForm::A, Precision::Fp16},
    {"form_b_fp32", PackingForm::B, Precision::Fp32},
    {"form_b_fp16", PackingForm::B, Precision::Fp16},
};

CompileOptions options_of(const Row& way) {
  CompileOptions options = e2e::options_for(kRows, kLength, way.precision);
  options.input_shape["attention_mask"] = {kRows, kLength};
  return way.form == PackingForm::A ? e2e::form_a(options, kMaxValid, kLength)
                                    : e2e::form_b(options);
}

Request request_of(const test::DataSet& set) {
  Request request;
  for (const double id : set.inputs.at("input_ids").data)
    request.tokens["input_ids"].push_back(static_cast<int32_t>(id));
  return request;
}

// ONNX Runtime was given a batch of one, [1,length,…]. A request is [length,…].
Array without_batch(Array array) {
  array.type.shape.erase(array.type.shape.begin());
  return array;
}

Array answer_of(const Answer& answer, const Anchor& anchor, const Shape& shape) {
  return to_array(Tensor::copy({anchor.dtype, shape}, answer.outputs.at(anchor.name)));
}

class HalfModel : public ::testing::TestWithParam<Row> {};

TEST_P(HalfModel, answers_each_request_of_a_packed_batch_as_onnx_runtime_does_alone) {
  const std::string folder = test::source_dir() + "/tests/data/packed/fp16_bert";
  const auto sets = test::read_data_sets(folder);
  ASSERT_TRUE(sets.ok()) << sets.error().message;
  ASSERT_EQ(sets->size(), 5u);
  const auto executable = e2e::build(folder + "/model.onnx", options_of(GetParam()));
  const auto runner = e2e::load(executable);
  ASSERT_TRUE(runner);
  std::vector<Request> requests;
  for (const test::DataSet& set : *sets) requests.push_back(request_of(set));
  const auto result = run_offline(*runner, PackPolicy::FirstFit, requests);
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(result->batches, 1u);  // so that they are beside each other

  size_t compared = 0;
  for (const Anchor& anchor : executable->metadata.anchors) {
    if (anchor.kind != AnchorKind::Output) continue;
    EXPECT_EQ(anchor.model_dtype, "float16");
    for (size_t i = 0; i < requests.size(); ++i, ++compared) {
      const Array wanted = without_batch((*sets)[i].outputs.at(anchor.name));
      const Array got = answer_of(result->answers[i], anchor, wanted.type.shape);
      EXPECT_EQ(test::difference(got, wanted, nullptr, kOfFp16), "")
          << anchor.name << " of request " << i;
    }
  }
  EXPECT_EQ(compared, 10u);
}

INSTANTIATE_TEST_SUITE_P(, HalfModel, ::testing::ValuesIn(kWays),
                         [](const auto& way) { return way.param.name; });

}  // namespace
}  // namespace tessera
