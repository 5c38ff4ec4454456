// SPDX-License-Identifier: Apache-2.0
#include "check/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "check/reference.h"
#include "tests/compiler/onnx/builder.h"
#include "tests/helpers/paths.h"

namespace tessera::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string data(const std::string& name) {
  return source_dir() + "/tests/data/" + name + "/model.onnx";
}

CheckOptions small() {
  CheckOptions options;
  options.machine.threads = 1;
  options.random_requests = 4;
  return options;
}

CheckReport checked(const std::string& path, const CheckOptions& options = small()) {
  auto report = check_model(path, options);
  EXPECT_TRUE(report.ok()) << report.error().message;
  return report.ok() ? report.take() : CheckReport();
}

const FormVerdict& form(const CheckReport& report, const std::string& name) {
  return *std::ranges::find(report.forms, name,
                            [](const FormVerdict& verdict) { return word_of_form(verdict.form); });
}

std::string meaning(const CheckReport& report, const std::string& input) {
  const auto found = std::ranges::find(report.inputs, input, &InputMeaning::name);
  return found == report.inputs.end() ? "" : found->meaning;
}

TEST(Check, a_question_answering_bert_is_right_in_every_form) {
  const CheckReport report = checked(data("hf_bert_qa_op11_oldnames"));
  EXPECT_TRUE(report.all_well());
  EXPECT_THAT(report.unsupported, IsEmpty());
  EXPECT_EQ(meaning(report, "input_ids"), "ids");
  EXPECT_EQ(meaning(report, "attention_mask"), "mask");
  EXPECT_EQ(meaning(report, "token_type_ids"), "token input");
  for (const char* name : {"padded", "A", "B"}) EXPECT_TRUE(form(report, name).possible) << name;
  std::vector<std::string> compared;
  for (const OutputError& error : report.outputs) {
    if (error.output != "start_logits") continue;
    compared.emplace_back(word_of_form(error.form));
    EXPECT_GT(error.magnitude, 0.01) << "a model of zeros proves nothing";
    EXPECT_LT(error.largest, 1e-5);
    EXPECT_EQ(error.answers, error.form ? 4 : 1);
  }
  EXPECT_THAT(compared, ElementsAre("batch", "padded", "A", "B"));
}

TEST(Check, halves_are_farther_from_the_reference_and_within_their_own_tolerance) {
  CheckOptions options = small();
  options.compile.precision = Precision::Fp16;
  const CheckReport half = checked(data("hf_roberta_cls_op13"), options);
  EXPECT_TRUE(half.all_well());
  EXPECT_GT(half.outputs[0].largest, 1e-5);
  EXPECT_THAT(half.kept_in_fp32, IsEmpty()) << "an encoder has nothing that f16 makes wrong";
  EXPECT_THAT(checked(data("cases/fp16_sum_wide"), options).kept_in_fp32,
              ElementsAre(HasSubstr("adds up")));
  options.tolerance = 1e-6;
  EXPECT_FALSE(checked(data("hf_roberta_cls_op13"), options).all_well());
}

TEST(Check, a_mean_over_padding_is_compared_in_whole_rows_alone) {
  const CheckReport report = checked(data("cases/requests_padded_without_mask/mean"));
  EXPECT_TRUE(report.all_well());
  EXPECT_EQ(form(report, "padded").request_size, RequestSize::Row);
  EXPECT_THAT(form(report, "padded").why_not, HasSubstr("ReduceMean_34"));
  EXPECT_FALSE(form(report, "A").possible);
  EXPECT_THAT(report.not_compared, ElementsAre(HasSubstr("padded: 3 of 4 requests are refused")));
}

TEST(Check, every_node_that_is_not_supported_is_named) {
  ModelBuilder m;
  m.input("x", TensorProto::FLOAT, "2,3").output("z");
  m.node("Relu", {"x"}, {"a"}, "known");
  m.node("NoSuchOp", {"a"}, {"b"}, "first");
  m.node("Relu", {"b"}, {"c"}, "behind it");
  m.node("NorThis", {"c"}, {"d"}, "second");
  m.node("Reshape", {"a", "x"}, {"e"}, "wrong operand");
  m.node("Add", {"d", "e"}, {"z"}, "sum");
  const TempFolder folder;
  const CheckReport report = checked(m.save(folder));
  EXPECT_FALSE(report.all_well());
  EXPECT_EQ(report.nodes, 6);
  EXPECT_THAT(report.unsupported, ElementsAre(HasSubstr("'first' (NoSuchOp): is not supported"),
                                              HasSubstr("'second' (NorThis): is not supported"),
                                              HasSubstr("'wrong operand' (Reshape)")));
}

TEST(Check, layers_are_compared_one_by_one) {
  CheckOptions options = small();
  options.by_layer = true;
  options.compile.precision = Precision::Fp16;
  CheckReport report = checked(data("hf_bert_qa_op11_oldnames"), options);
  EXPECT_GT(report.layers.size(), 10u);
  EXPECT_EQ(report.first_bad_layer, -1);
  options.tolerance = 1e-4;
  report = checked(data("hf_bert_qa_op11_oldnames"), options);
  EXPECT_GE(report.first_bad_layer, 0);
  const auto json = check_json(report);
  EXPECT_EQ(json["first_bad_layer"],
            report.layers[static_cast<size_t>(report.first_bad_layer)].node);
  EXPECT_FALSE(json["all_well"]);
}

TEST(Check, requests_of_a_users_own_are_compared_too) {
  CheckOptions options = small();
  options.random_requests = 0;
  options.requests.emplace_back("mine", Request{{{"input_ids", {5, 6, 7}}}});
  const CheckReport report = checked(data("hf_bert_qa_op11_oldnames"), options);
  EXPECT_TRUE(report.all_well());
  EXPECT_EQ(report.outputs.back().worst, "mine");
  options.requests = {
      {"without ids", Request{}}
  };
  const auto wrong = check_model(data("hf_bert_qa_op11_oldnames"), options);
  ASSERT_FALSE(wrong.ok());
  EXPECT_THAT(wrong.error().message, HasSubstr("request 'without ids': has no input_ids"));
}

TEST(Check, a_reference_that_cannot_be_started_is_an_error) {
  CheckOptions options = small();
  options.reference = ReferenceKind::OnnxRuntime;
  options.python = "/no/such/python";
  const auto report = check_model(data("hf_bert_qa_op11_oldnames"), options);
  ASSERT_FALSE(report.ok());
  EXPECT_THAT(report.error().message, HasSubstr("must be a Python with numpy and onnxruntime"));
}

// Where a Python with it is named: none is needed to build or to test.
TEST(Check, onnx_runtime_agrees) {
  const char* python = std::getenv("TESSERA_ORT_PYTHON");
  if (!python) GTEST_SKIP() << "TESSERA_ORT_PYTHON names no Python with onnxruntime";
  CheckOptions options = small();
  options.reference = ReferenceKind::OnnxRuntime;
  options.python = python;
  for (const char* name : {"hf_bert_qa_op11_oldnames", "hf_roberta_cls_op13", "hf_albert_qa_op14"})
    EXPECT_TRUE(checked(data(name), options).all_well()) << name;
}

}  // namespace
}  // namespace tessera::test
