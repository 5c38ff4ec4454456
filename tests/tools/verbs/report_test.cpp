// SPDX-License-Identifier: Apache-2.0
// tessera report, and tessera inspect --against.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using OrderedJson = nlohmann::ordered_json;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Report, of_an_executable_is_one_file_that_needs_no_other) {
  const std::string page = path("report.html");
  const Result result = tessera({"report", packed_executable(), "-o", page});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, StartsWith(page));
  const std::string html = read_file(page);
  EXPECT_THAT(html, StartsWith("<!DOCTYPE html>"));
  EXPECT_THAT(html.substr(0, html.find("<script")), Not(HasSubstr("src=")));
}

TEST(Report, holds_what_inspect_prints) {
  const OrderedJson report =
      OrderedJson::parse(tessera({"report", packed_executable(), "--json"}).out);
  const OrderedJson inspected =
      OrderedJson::parse(tessera({"inspect", packed_executable(), "--json"}).out);
  EXPECT_EQ(report["executables"][0]["inspection"], inspected);
}

TEST(Report, says_how_matmuls_were_cut) {
  const OrderedJson report =
      OrderedJson::parse(tessera({"report", packed_executable(), "--json"}).out);
  const OrderedJson& plans = report["executables"][0]["plans"];
  ASSERT_FALSE(plans.empty());
  for (const OrderedJson& plan : plans) {
    EXPECT_TRUE(plan["found"].get<bool>()) << plan;
    EXPECT_GT(plan["considered"], 0);
  }
}

TEST(Report, of_a_model_is_compiled_first) {
  const OrderedJson report =
      OrderedJson::parse(tessera({"report", tiny_model(), "--input_shape", "input_ids=4,16",
                                  "--target", "test", "--json"})
                             .out);
  EXPECT_EQ(report["executables"][0]["inspection"]["target"], "test");
  EXPECT_THAT(report["command"].get<std::string>(), HasSubstr("--input_shape input_ids=4,16"));
}

TEST(Report, a_second_executable_is_held_against_the_first) {
  const OrderedJson report = OrderedJson::parse(
      tessera({"report", padded_executable(), packed_executable(), "--json"}).out);
  EXPECT_EQ(report["differences"][0]["kind"], "executables");
  const Result third =
      tessera({"report", padded_executable(), packed_executable(), padded_executable()});
  EXPECT_EQ(third.exit_code, kUsage);
  EXPECT_THAT(third.err, HasSubstr("is a third executable, must be left out"));
}

TEST(Report, a_file_of_another_kind_is_refused_by_its_flag) {
  const Result result = tessera({"report", padded_executable(), "--events", packed_executable()});
  EXPECT_EQ(result.exit_code, kUsage);
  EXPECT_THAT(result.err, HasSubstr("is an executable, must be an events file"));
}

TEST(Report, json_that_tessera_did_not_write_is_refused) {
  write_file(path("other.json"), "{\"a\": 1}\n");
  const Result result = tessera({"report", path("other.json")});
  EXPECT_EQ(result.exit_code, kBadFile);
  EXPECT_THAT(result.err, HasSubstr("is JSON of another kind"));
}

TEST(Report, without_an_input_says_what_it_takes) {
  const Result result = tessera({"report"});
  EXPECT_EQ(result.exit_code, kUsage);
  EXPECT_THAT(result.err, HasSubstr("no input, must be MODEL.popef"));
}

TEST(Report, a_log_and_a_record_and_a_bench_are_known_by_what_is_in_them) {
  const std::string events = path("report_events.jsonl"), record = path("report_run.jsonl"),
                    bench = path("report_bench.json");
  ASSERT_EQ(tessera({"run", tiny_model(), "--target", "test", "--events", events, "--random",
                     "input_ids=4,16", "input_ids=4,12"})
                .exit_code,
            0);
  const Result online =
      tessera({"bench", packed_executable(), "--online", "--virtual", "--rate", "4000",
               "--requests", "40", "--avg_seq_len", "8", "--record", record, "--json"});
  ASSERT_EQ(online.exit_code, 0) << online.err;
  write_file(bench, online.out);
  const OrderedJson report =
      OrderedJson::parse(tessera({"report", bench, record, events, "--json"}).out);
  EXPECT_EQ(report["verdict"]["compiles"], 2);
  EXPECT_EQ(report["logs"][0]["events"][1]["nearest"], 0);
  EXPECT_EQ(report["bench"]["figures"], OrderedJson::parse(online.out));
  const OrderedJson& run = report["run"];
  EXPECT_EQ(run["occupancy"]["requests"], 40);
  EXPECT_EQ(run["batches"].size(), run["occupancy"]["batches"].get<size_t>());
  EXPECT_EQ(run["occupancy"]["token_fill"], report["bench"]["figures"]["token_fill"]);
}

TEST(Report, a_plan_and_policies_are_known_by_what_is_in_them) {
  const std::string plan = path("report_plan.json"), policies = path("report_policies.json");
  ASSERT_EQ(tessera({"pack", "--random", "60", "--rows", "4", "-o", plan}).exit_code, 0);
  const Result compared = tessera({"pack", "--random", "60", "--rows", "4", "--compare", "--json"});
  ASSERT_EQ(compared.exit_code, 0) << compared.err;
  write_file(policies, compared.out);
  const OrderedJson report = OrderedJson::parse(tessera({"report", plan, policies, "--json"}).out);
  EXPECT_EQ(report["plan"]["occupancy"]["requests"], 60);
  EXPECT_EQ(report["policies"]["figures"], OrderedJson::parse(compared.out));
  const Result second = tessera({"report", plan, plan});
  EXPECT_EQ(second.exit_code, kUsage);
  EXPECT_THAT(second.err, HasSubstr("is a second plan, must be left out"));
}

TEST(Report, a_flag_that_nothing_can_use_is_refused) {
  for (const std::vector<std::string>& words : {
           std::vector<std::string>{"--precision", "fp16"},
           {"--json", "-o", "page.html"}
  }) {
    std::vector<std::string> command{"report", padded_executable()};
    command.insert(command.end(), words.begin(), words.end());
    const Result result = tessera(command);
    EXPECT_EQ(result.exit_code, kUsage);
    EXPECT_THAT(result.err, HasSubstr("must be left out"));
  }
}

TEST(InspectAgainst, does_not_go_with_a_view) {
  const Result result =
      tessera({"inspect", padded_executable(), "--against", padded_executable(), "--ops"});
  EXPECT_EQ(result.exit_code, kUsage);
}

TEST(InspectAgainst, says_what_changed_and_how_much_did_not) {
  const Result same = tessera({"inspect", padded_executable(), "--against", padded_executable()});
  ASSERT_EQ(same.exit_code, 0) << same.err;
  EXPECT_THAT(same.out, HasSubstr("+0.0 %"));
  EXPECT_THAT(same.out, HasSubstr("operations are the same"));
  EXPECT_THAT(same.out, Not(HasSubstr("lies elsewhere")));
  OrderedJson difference = OrderedJson::parse(
      tessera({"inspect", padded_executable(), "--against", packed_executable(), "--json"}).out);
  const OrderedJson report = OrderedJson::parse(
      tessera({"report", padded_executable(), packed_executable(), "--json"}).out);
  EXPECT_EQ(difference.erase("schema"), 1u);
  EXPECT_EQ(difference, report["differences"][0]);
}

TEST(InspectAgainst, takes_two_logs_as_report_does) {
  const std::string one = path("against_one.jsonl"), two = path("against_two.jsonl");
  ASSERT_EQ(tessera({"run", tiny_model(), "--target", "test", "--events", one, "--random",
                     "input_ids=4,16"})
                .exit_code,
            0);
  ASSERT_EQ(tessera({"run", tiny_model(), "--target", "test", "--events", two, "--random",
                     "input_ids=4,16", "input_ids=4,12"})
                .exit_code,
            0);
  const Result text = tessera({"inspect", one, "--against", two});
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("failed compiles"));
  EXPECT_THAT(text.out, HasSubstr("input_ids [4,12]"));
  OrderedJson difference =
      OrderedJson::parse(tessera({"inspect", one, "--against", two, "--json"}).out);
  EXPECT_EQ(difference.erase("schema"), 1u);
  const OrderedJson report = OrderedJson::parse(tessera({"report", one, two, "--json"}).out);
  EXPECT_EQ(difference, report["differences"][0]);
  EXPECT_EQ(difference["compiles"].size(), 2u);
  const Result mixed = tessera({"inspect", one, "--against", padded_executable()});
  EXPECT_EQ(mixed.exit_code, kUsage);
  EXPECT_THAT(mixed.err, HasSubstr("is an executable, must be an events file"));
}

}  // namespace
}  // namespace tessera::cli
