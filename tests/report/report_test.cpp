// SPDX-License-Identifier: Apache-2.0
#include "report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "cost/cost.h"
#include "cost/inspection.h"
#include "report/compare.h"
#include "report/html.h"
#include "tests/helpers/contracts.h"
#include "tests/helpers/paths.h"
#include "tests/helpers/small_program.h"
#include "tests/helpers/tiny_executable.h"
#include "tests/report/reports.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<int64_t> unrolled(const Json& executable, const Json& place) {
  std::vector<int64_t> values;
  for (const Json& run : executable["pools"][place.get<size_t>()]) {
    if (run.is_array())
      values.insert(values.end(), run[1].get<size_t>(), run[0].get<int64_t>());
    else
      values.push_back(run.get<int64_t>());
  }
  return values;
}

TEST(Report, says_of_an_executable_what_inspect_says) {
  const Executable executable = tiny_executable(kPricedProgram);
  const Json json = document_of(inputs_of(executable))["executables"][0];
  const ProgramCost cost = program_cost(executable.program);
  const MemoryReport memory = program_memory(executable.program);
  EXPECT_EQ(json["inspection"], inspection_json(executable, {}, cost, memory));
  EXPECT_EQ(unrolled(json, json["tiles"]["peak"]), memory.peak_by_tile);
  EXPECT_EQ(unrolled(json, json["tiles"]["always_live"]), memory.always_live_by_tile);
}

TEST(Report, the_uses_of_a_tile_add_up_to_its_peak) {
  const Executable executable = tiny_executable(kPricedProgram);
  const Json json = document_of(inputs_of(executable))["executables"][0];
  std::vector<int64_t> sums(4);
  for (const auto& [use, place] : json["tiles"]["at_peak"].items()) {
    const std::vector<int64_t> bytes = unrolled(json, place);
    ASSERT_EQ(bytes.size(), sums.size()) << use;
    for (size_t tile = 0; tile < sums.size(); ++tile) sums[tile] += bytes[tile];
  }
  EXPECT_EQ(sums, unrolled(json, json["tiles"]["peak"]));
}

TEST(Report, a_superstep_takes_the_most_that_a_tile_takes) {
  const Json json = document_of(inputs_of(tiny_executable(kPricedProgram)))["executables"][0];
  for (size_t i = 0; i < json["supersteps"].size(); ++i) {
    const Json& step = json["supersteps"][i];
    const Json& said = json["inspection"]["supersteps"][i];
    EXPECT_EQ(std::ranges::max(unrolled(json, step["by_tile"]["compute"])), said["compute_cycles"]);
    EXPECT_EQ(std::ranges::max(unrolled(json, step["by_tile"]["exchange"])),
              said["exchange_cycles"]);
    int64_t received = 0;
    for (const int64_t bytes : unrolled(json, step["by_tile"]["received_bytes"])) received += bytes;
    EXPECT_EQ(received, said["exchange_bytes"]);
  }
}

TEST(Report, the_blocks_of_a_variable_add_up_to_its_bytes) {
  const Json json = document_of(inputs_of(tiny_executable(kPricedProgram)))["executables"][0];
  for (const Json& variable : json["variables"]) {
    int64_t sum = 0;
    for (const int64_t bytes : unrolled(json, variable["tiles"])) sum += bytes;
    EXPECT_EQ(sum, variable["bytes"]) << variable["name"];
  }
}

TEST(Report, hostile_names_are_text) {
  Executable executable = tiny_executable(kPricedProgram);
  executable.metadata.label = "</script><img src=x>\u202e&\x1b";
  executable.program.supersteps[0].origin = {"<!--<script>"};
  const Json document = document_of(inputs_of(executable));
  EXPECT_EQ(document["title"], "</script><img src=x>\\u202e&\\x1b");
  const std::string page = report_page(document);
  EXPECT_EQ(count_of(page, "</script"), 2u);
  EXPECT_EQ(count_of(page, "<script"), 2u);
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_THAT(page, Not(HasSubstr("\u202e")));
  EXPECT_THAT(page, HasSubstr("&lt;/script&gt;&lt;img src=x&gt;\\u202e&amp;\\x1b"));
}

TEST(Report, the_page_allows_its_own_script_and_style_alone) {
  const std::string page = report_page(document_of(inputs_of(tiny_executable(kPricedProgram))));
  EXPECT_THAT(page, HasSubstr("content=\"default-src 'none'; script-src 'sha256-"));
  const std::string without_script = page.substr(0, page.find("<script"));
  EXPECT_THAT(without_script, Not(HasSubstr("unsafe")));
  EXPECT_THAT(without_script, Not(HasSubstr("src=")));
  EXPECT_THAT(without_script, Not(HasSubstr("<link")));
}

TEST(Report, tables_are_there_without_scripts) {
  const std::string page = report_page(document_of(inputs_of(tiny_executable(kPricedProgram))));
  for (const char* table : {"tiles", "uses", "supersteps", "operations", "variables"})
    EXPECT_THAT(page, HasSubstr("<table id=\"table-" + std::string(table) + "\">"));
  EXPECT_EQ(count_of(page, "<tr id=\"supersteps/"), 2u);
}

TEST(Report, of_a_log_alone_has_its_compiles_and_the_advice) {
  ReportInputs inputs;
  inputs.logs.push_back({
      "events.jsonl", {compile_of(8, 1000), compile_of(16, 2000)}
  });
  const Json document = document_of(inputs);
  EXPECT_EQ(document["verdict"]["compiles"], 2);
  EXPECT_EQ(document["verdict"]["causes"], Json({
                                               {"input_shape", 2}
  }));
  EXPECT_EQ(document["logs"][0]["sums"]["requests_blocked"], 4);
  EXPECT_FALSE(document["logs"][0]["advice"][0]["options"].empty());
  const std::string page = report_page(document);
  EXPECT_THAT(page, HasSubstr("id=\"recompiles\""));
  EXPECT_THAT(page, Not(HasSubstr("id=\"tiles\"")));
}

// Parts of a schema that can be broken by forgetting: members that must be there, types, limits.
void check_schema(const Json& root, const Json& schema, const Json& value,
                  const std::string& where) {
  if (schema.contains("$ref"))
    return check_schema(root,
                        root.at(Json::json_pointer(schema["$ref"].get<std::string>().substr(1))),
                        value, where);
  if (schema.contains("type") && schema["type"].is_string()) {
    const std::string type = schema["type"];
    const std::string is = value.is_number_integer() ? "integer"
                           : value.is_number()       ? "number"
                           : value.is_boolean()      ? "boolean"
                                                     : value.type_name();
    EXPECT_TRUE(is == type || (type == "number" && is == "integer")) << where << " is " << is;
  }
  if (schema.contains("required")) {
    for (const Json& name : schema["required"])
      EXPECT_TRUE(value.contains(name.get<std::string>())) << where << "." << name;
  }
  if (schema.contains("maxItems")) {
    EXPECT_LE(value.size(), schema["maxItems"].get<size_t>()) << where;
  }
  if (schema.contains("properties"))
    for (const auto& [name, inner] : schema["properties"].items())
      if (value.contains(name)) check_schema(root, inner, value[name], where + "." + name);
  if (schema.contains("items") && value.is_array())
    for (const Json& item : value) check_schema(root, schema["items"], item, where + "[]");
}

TEST(Report, of_a_bench_has_its_runs_and_times_as_tables) {
  ReportInputs inputs;
  inputs.bench = {"bench.json", bench_figures()};
  const Json document = document_of(inputs);
  EXPECT_EQ(document["verdict"]["useful_token_share"], 0.75);
  const std::string page = report_page(document);
  EXPECT_THAT(page, HasSubstr("<table id=\"table-bench\">"));
  EXPECT_THAT(page, HasSubstr("<td>&lt;/script&gt;.popef</td>"));
  EXPECT_EQ(count_of(page, "<tr id=\"bench-latency/"), 2u);
}

TEST(Report, figures_that_are_not_as_their_schema_says_are_refused) {
  const auto refused = [](const std::function<void(Json&)>& change) {
    ReportInputs inputs;
    inputs.bench = {"bench.json", bench_figures()};
    change(inputs.bench->figures);
    const auto document = report_document(inputs);
    return document.ok() ? "" : document.error().message;
  };
  EXPECT_EQ(refused([](Json& json) { json["runs"][0]["fill"] = "much"; }),
            "bench.json: runs[0]: fill: is \"much\", must be a number");
  EXPECT_EQ(refused([](Json& json) { json["runs"][0].erase("label"); }),
            "bench.json: runs[0]: label: is missing, must be there");
  EXPECT_EQ(refused([](Json& json) { json["runs"] = 3; }),
            "bench.json: runs: is 3, must be a list");
  EXPECT_EQ(
      refused([](Json& json) { json["runs"][0]["closed_for"]["drain"] = nullptr; }),
      "bench.json: runs[0]: closed_for: is {\"drain\":null}, must be an object of whole numbers");
  EXPECT_EQ(refused([](Json& json) { json["runs"][0]["batch_seconds"]["p99.9"] = true; }),
            "bench.json: runs[0]: batch_seconds: p99.9: is true, must be a number");
  EXPECT_THAT(refused([](Json& json) { json["schema"] = "other/1"; }),
              HasSubstr("is JSON of another kind"));
}

TEST(Report, of_a_plan_has_its_batches_with_the_places_of_requests) {
  ReportInputs inputs;
  ReportedPlan reported{"plan.json", {}};
  reported.plan.contract = form_b(2, 8, 0);
  reported.plan.requests = 3;
  reported.plan.batches = {
      {{{0, 0, 5}, {2, 8, 8}}, 13},
      {{{1, 0, 4}},            4 }
  };
  inputs.plan = reported;
  const Json document = document_of(inputs);
  const Json& plan = document["plan"];
  EXPECT_EQ(plan["sizes"]["most_requests"], 0);
  EXPECT_EQ(plan["batches"][0]["placements"], Json::parse("[[0, 5, 0], [8, 8, 2]]"));
  EXPECT_EQ(plan["occupancy"]["token_fill"], 17.0 / 32);
  EXPECT_EQ(document["verdict"]["useful_token_share"], 17.0 / 32);
  EXPECT_EQ(count_of(report_page(document), "<tr id=\"planned/"), 2u);
}

TEST(Report, is_as_its_schema_says) {
  std::ifstream file(test::source_dir() + "/docs/schemas/report.json");
  const Json schema = Json::parse(file);
  EXPECT_EQ(schema["$id"], kReportSchema);
  ReportInputs inputs = inputs_of(tiny_executable(kPricedProgram));
  inputs.executables.push_back(inputs.executables[0]);
  inputs.logs.push_back({
      "events.jsonl", {compile_of(8, 1000), compile_of(16, 2000)}
  });
  inputs.bench = {"bench.json", bench_figures()};
  check_schema(schema, schema, document_of(inputs), "report");
}

TEST(Report, of_nothing_is_refused) {
  const auto document = report_document({});
  ASSERT_FALSE(document.ok());
  EXPECT_EQ(document.error().kind, ErrorKind::Usage);
}

TEST(Report, an_executable_beside_itself_does_not_differ) {
  ReportInputs inputs = inputs_of(tiny_executable(kPricedProgram));
  inputs.executables.push_back(inputs.executables[0]);
  const Json difference = document_of(inputs)["differences"][0];
  for (const Json& row : difference["operations"]) {
    EXPECT_EQ(row["in"], "both");
    EXPECT_EQ(row["cycles_change"], 0);
    EXPECT_EQ(row["moved"], false);
  }
}

TEST(Report, operations_are_matched_by_their_nodes) {
  Executable before = tiny_executable(kPricedProgram), after = before;
  before.program.supersteps[0].origin = {"Add"};
  before.program.supersteps[1].origin = {"Transpose"};
  after.program.supersteps[0].origin = {"Add"};
  after.program.supersteps[1].origin = {"Other"};
  after.program.target.sync_cycles += 100;
  ReportInputs inputs = inputs_of(before);
  inputs.executables.push_back({"after.popef", after, {}, {}});
  std::map<std::string, std::string> in;
  const Json difference = document_of(inputs)["differences"][0];
  for (const Json& row : difference["operations"]) {
    in[row["name"]] = row["in"];
    if (row["name"] == "Add") {
      EXPECT_EQ(row["cycles_change"], 100);
    }
  }
  EXPECT_EQ(in, (std::map<std::string, std::string>{
                    {"Add",       "both"  },
                    {"Transpose", "before"},
                    {"Other",     "after" }
  }));
}

TEST(Report, logs_are_matched_by_shapes) {
  ReportInputs inputs;
  inputs.logs.push_back({
      "a", {compile_of(8, 1000), compile_of(16, 2000)}
  });
  inputs.logs.push_back({"b", {compile_of(8, 3000)}});
  const Json difference = document_of(inputs)["differences"][0];
  ASSERT_EQ(difference["compiles"].size(), 2u);
  for (const Json& row : difference["compiles"])
    EXPECT_EQ(row.contains("after"),
              row["shapes"].get<std::string>().find("[4,8]") != std::string::npos);
}

TEST(Report, html_is_escaped) {
  EXPECT_EQ(html_escaped("<a href=\"'&"), "&lt;a href=&quot;&#39;&amp;");
  EXPECT_EQ(json_in_script(Json("</\u2028&>")), "\"\\u003c/\\u2028\\u0026\\u003e\"");
}

}  // namespace
}  // namespace tessera
