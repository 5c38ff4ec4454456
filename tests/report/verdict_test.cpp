// SPDX-License-Identifier: Apache-2.0
// The verdict of a report: whose the useful tokens are, what failed, and what is advised.
#include "report/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/helpers/contracts.h"
#include "tests/helpers/small_program.h"
#include "tests/helpers/tiny_executable.h"
#include "tests/report/reports.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::HasSubstr;
using ::testing::Not;

// A padded one of four rows of eight tokens.
ReportInputs padded_inputs() {
  ReportInputs inputs = inputs_of(tiny_executable(kPricedProgram));
  PackingContract& own = inputs.executables[0].executable.metadata.packing;
  own = {};
  own.rows = 4;
  own.row_length = 8;
  own.request_size = RequestSize::Tokens;
  return inputs;
}

const Json* advice_with(const Json& document, const std::string& word) {
  for (const Json& advice : document["verdict"]["advice"])
    if (advice["command"].get<std::string>().find(word) != std::string::npos) return &advice;
  return nullptr;
}

TEST(Verdict, batches_of_another_contract_are_not_the_executables) {
  ReportInputs inputs = padded_inputs();
  ReportedPlan reported{"plan.json", {}};
  reported.plan.contract = form_b(2, 8, 0);
  reported.plan.requests = 3;
  reported.plan.batches = {
      {{{0, 0, 5}, {2, 8, 8}, {1, 5, 3}}, 16}
  };
  inputs.plan = reported;
  Json document = document_of(inputs);
  const Json& shares = document["verdict"]["useful_tokens"];
  ASSERT_EQ(shares.size(), 2u);
  EXPECT_EQ(shares[0]["share"], 1);
  EXPECT_EQ(shares[0]["of"], "form B, 2 rows of 8 tokens, any number of requests");
  EXPECT_TRUE(shares[0]["executable"].is_null());
  // Three requests of 16 tokens would fill two thirds of three rows.
  EXPECT_EQ(shares[1]["share"], 16.0 / 24);
  EXPECT_EQ(shares[1]["executable"], "tiny.popef");
  EXPECT_EQ(document["verdict"]["useful_token_share"], 16.0 / 24);
  const Json* packed = advice_with(document, "insert_attention_mask");
  ASSERT_NE(packed, nullptr);
  EXPECT_EQ((*packed)["saves"], "up to 33 % of the tokens of a batch");
  EXPECT_THAT(report_page(document), HasSubstr("any number of requests; not those of tiny.popef"));
  // One of that form is named.
  inputs.executables.push_back(inputs.executables[0]);
  inputs.executables[1].file = "packed.popef";
  inputs.executables[1].executable.metadata.packing = form_b(2, 8, 0);
  document = document_of(inputs);
  EXPECT_EQ(document["plan"]["executable"], "packed.popef");
  EXPECT_EQ(document["verdict"]["useful_tokens"][0]["executable"], "packed.popef");
  // Requests that may be longer than its rows say nothing of it.
  inputs.plan->plan.contract.row_length = 9;
  document = document_of(inputs);
  EXPECT_TRUE(document["verdict"]["useful_token_share"].is_null());
  EXPECT_EQ((*advice_with(document, "insert_attention_mask"))["saves"],
            "what padding takes: see Packing");
}

TEST(Verdict, a_bench_tells_of_the_executable_that_it_names) {
  ReportInputs inputs = padded_inputs();
  inputs.bench = {"bench.json", bench_figures()};
  EXPECT_TRUE(document_of(inputs)["verdict"]["useful_token_share"].is_null());
  EXPECT_THAT(report_page(document_of(inputs)),
              HasSubstr("<td>bench.json</td><td>Pack Online of &lt;/script&gt;.popef, form B</td>"
                        "<td class=\"n\" data-v=\"0.75\">75.0 %</td><td></td>"));
  inputs.bench->figures["runs"][0]["executable"] = "./tiny.popef";
  EXPECT_TRUE(document_of(inputs)["verdict"]["useful_token_share"].is_null()) << "another form";
  inputs.bench->figures["runs"][0]["form"] = "none";
  EXPECT_EQ(document_of(inputs)["verdict"]["useful_token_share"], 0.75);
}

// fp16 and half of the rows, of a model that does not fit.
ReportInputs too_large(bool half_fits) {
  ReportInputs inputs = padded_inputs();
  ReportedExecutable& reported = inputs.executables[0];
  reported.file = "a model.onnx";
  reported.executable.program.target.bytes_per_tile = 20'000;
  reported.ways = {
      {.change = "--precision fp16",
       .peak_bytes = 30'000,
       .cycles = 5,
       .fits = false,
       .values = {{"precision", "fp16"}}},
      {.change = "--input_shape a=2,8",
       .peak_bytes = 25'000,
       .cycles = 4,
       .rows = 2,
       .fits = half_fits,
       .values = {{"input_shape", "a=2,8"}}}
  };
  return inputs;
}

TEST(Verdict, advises_only_what_was_compiled_and_fits) {
  const Json fits = document_of(too_large(true));
  ASSERT_FALSE(fits["verdict"]["fits"]);
  EXPECT_EQ(advice_with(fits, "fp16"), nullptr);
  EXPECT_NE(advice_with(fits, "--input_model 'a model.onnx' --input_shape a=2,8 -o"), nullptr);
  const Json none = document_of(too_large(false));
  ASSERT_EQ(none["verdict"]["advice"].size(), 1u);
  const Json& advice = none["verdict"]["advice"][0];
  EXPECT_THAT(advice["text"],
              HasSubstr("Neither this nor any of the 2 variants that were compiled fits"));
  EXPECT_THAT(advice["text"], HasSubstr("a smaller batch or shorter rows"));
  EXPECT_THAT(advice["text"], Not(HasSubstr("--precision fp16")));
  EXPECT_THAT(advice["command"], HasSubstr("tessera report 'a model.onnx' --input_shape a=2,8"));
  EXPECT_EQ(none["executables"][0]["variants"].size(), 2u);
  EXPECT_EQ(count_of(report_page(none), "<tr id=\"variants/"), 2u);
}

TEST(Verdict, the_command_that_compiles_names_the_model_where_it_is_known) {
  ReportInputs inputs = inputs_of(tiny_executable(kPricedProgram));
  const auto command = [&] {
    return document_of(inputs)["executables"][0]["compile_command"].get<std::string>();
  };
  EXPECT_THAT(command(), HasSubstr("--input_model MODEL.onnx"));
  inputs.executables[0].file = "base.onnx";
  EXPECT_THAT(command(), HasSubstr("--input_model base.onnx"));
}

TEST(Verdict, a_failed_compile_is_counted_and_said_without_scripts) {
  ReportInputs inputs;
  inputs.logs.push_back({
      "events.jsonl", {compile_of(8, 1000), compile_of(16, 2000)}
  });
  inputs.logs[0].events[1].error = "Out of memory on tile 3";
  const Json document = document_of(inputs);
  EXPECT_EQ(document["verdict"]["failed_compiles"], 1);
  const std::string page = report_page(document);
  EXPECT_THAT(page, HasSubstr("2 (1 failed) in 3.00 s on the host: input shape 2"));
  EXPECT_THAT(page, HasSubstr("<td>Out of memory on tile 3</td>"));
  EXPECT_THAT(page, HasSubstr("1 batch of 1 length, 1 compile."));
}

}  // namespace
}  // namespace tessera
