// SPDX-License-Identifier: Apache-2.0
// A plan that is written is read back as it was; one that is damaged is refused by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "packing/offline.h"
#include "packing/plan.h"
#include "support/file.h"
#include "tests/helpers/contracts.h"
#include "tests/helpers/test_with_folder.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using Json = nlohmann::json;

PackPlan plan_of(const PackingContract& contract, const PackRule& rule,
                 const std::vector<int64_t>& lengths) {
  auto batches = pack_offline(contract, rule, lengths);
  EXPECT_TRUE(batches.ok());
  return {contract, rule, std::ssize(lengths), batches.take()};
}

class PackPlanTest : public TestWithFolder {
 protected:
  Json written(const PackPlan& plan) {
    EXPECT_TRUE(write_plan(path("plan.json"), plan).ok());
    return Json::parse(*read_text_file(path("plan.json")));
  }
  // Without the sync of a careful write, as there are thousands.
  static void write(const std::string& to, const std::string& text) {
    std::ofstream(to, std::ios::binary) << text;
  }
  // The error of reading a changed plan, without the path.
  std::string refusal(const Json& json) {
    write(path("bad.json"), json.dump());
    const auto plan = read_plan(path("bad.json"));
    EXPECT_FALSE(plan.ok());
    if (plan.ok()) return "";
    EXPECT_EQ(plan.error().kind, ErrorKind::BadFile);
    EXPECT_THAT(plan.error().message, ::testing::StartsWith(path("bad.json: ")));
    return plan.error().message.substr(path("bad.json: ").size());
  }
};

TEST_F(PackPlanTest, nesting_is_bounded_before_it_is_parsed) {
  write(path("deep.json"), "{\"where\": " + std::string(1 << 20, '[') + "}");
  EXPECT_EQ(read_plan(path("deep.json")).error().message,
            path("deep.json: is nested 33 deep, must be at most 32"));
}

TEST_F(PackPlanTest, says_where_every_request_stands) {
  const Json json = written(plan_of(form_b(2, 8), PackPolicy::FirstFit, {5, 6, 3, 7}));
  EXPECT_EQ(json["batches"], Json::parse("[[[0,0,5],[1,8,6],[2,5,3]],[[3,0,7]]]"));
  EXPECT_EQ(json["where"], Json::parse("[[0,0],[0,1],[0,2],[1,0]]"));
  EXPECT_EQ(json["form"], "B");
  EXPECT_EQ(json["policy"], "first_fit");
}

TEST_F(PackPlanTest, comes_back_as_it_was) {
  std::mt19937 random(6);
  std::vector<int64_t> lengths(200);
  for (int64_t& length : lengths) length = 1 + static_cast<int64_t>(random() % 16);
  PackingContract delimited = form_b(4, 16, 9);
  delimited.zero_delimiters = 1;
  for (const PackingContract& contract : {form_a(3, 16, 7, 16), form_b(3, 16), delimited}) {
    for (const PackPolicy policy : all_policies()) {
      const PackPlan plan = plan_of(contract, policy, lengths);
      ASSERT_TRUE(write_plan(path("plan.json"), plan).ok());
      const auto read = read_plan(path("plan.json"));
      ASSERT_TRUE(read.ok()) << read.error().message;
      ASSERT_TRUE(write_plan(path("again.json"), *read).ok());
      EXPECT_EQ(*read_text_file(path("plan.json")), *read_text_file(path("again.json")));
      EXPECT_EQ(read->requests, 200);
      EXPECT_EQ(read->rule.policy, policy);
    }
  }
}

TEST_F(PackPlanTest, of_no_requests_is_a_plan) {
  EXPECT_EQ(written(plan_of(form_b(2, 8), PackPolicy::Window, {}))["where"], Json::array());
  EXPECT_TRUE(read_plan(path("plan.json")).ok());
}

TEST_F(PackPlanTest, of_a_histogram_says_what_rows_hold) {
  const PackRule rule(PackPolicy::Lpfhp);
  const auto rows = pack_rows(form_b(2, 8), rule, histogram_of(std::vector<int64_t>{5, 5, 3}));
  ASSERT_TRUE(write_plan(path("rows.json"), RowPlan{form_b(2, 8), rule, rows}).ok());
  const Json json = Json::parse(*read_text_file(path("rows.json")));
  EXPECT_EQ(json["kind"], "histogram");
  EXPECT_EQ(json["row_groups"],
            Json::parse(R"([{"count":1,"lengths":[5,3]},{"count":1,"lengths":[5]}])"));
  EXPECT_THAT(refusal(json), EndsWith("names no single request"));
}

TEST_F(PackPlanTest, a_failed_write_leaves_the_old_plan) {
  const PackPlan plan = plan_of(form_b(2, 8), PackPolicy::FirstFit, {5});
  EXPECT_FALSE(write_plan(path("no/such/folder.json"), plan).ok());
  ASSERT_TRUE(write_plan(path("plan.json"), plan).ok());
  EXPECT_THAT(files(), ElementsAre("plan.json"));
}

TEST_F(PackPlanTest, damage_is_refused_by_name) {
  const Json good = written(plan_of(form_b(2, 8), PackPolicy::FirstFit, {5, 6, 3, 7}));
  const auto with = [&](const char* pointer, const char* value) {
    Json json = good;
    json[Json::json_pointer(pointer)] = Json::parse(value);
    return refusal(json);
  };
  EXPECT_EQ(with("/schema", "\"plan/2\""), "\"schema\" must be tessera-pack-plan/1");
  EXPECT_EQ(with("/form", "\"c\""), "\"form\" is 'c', must be none, A or B");
  EXPECT_EQ(with("/rows", "0"), "\"rows\" is 0, must be a whole number in 1..268435456");
  EXPECT_EQ(with("/policy", "\"x\""),
            "'x', must be next_fit, first_fit, best_fit, window, spfhp or lpfhp");
  EXPECT_EQ(with("/batches/0/0", "[0,5]"), "[0,5]: must be [request, start, length]");
  EXPECT_EQ(with("/batches/0/0", "[0,-1,5]"), "[0,-1,5]: must be [request, start, length]");
  EXPECT_EQ(with("/batches/0/0/0", "4"), "batch 0: request 4, must be below 4");
  EXPECT_EQ(with("/batches/0/0/0", "1"),
            "batch 0: request 1: is placed twice, must be placed once");
  EXPECT_EQ(with("/requests", "5"), "request 4: is in no batch, must be in one");
  EXPECT_EQ(with("/batches/0/0/2", "9"), "batch 0: request 0: length is 9, must be in 1..8");
  EXPECT_EQ(with("/batches/0/0/1", "4"),
            "batch 0: request 0: stands at 4..9, must not cross the row's end at 8");
  EXPECT_EQ(with("/batches/1/0/1", "12"),
            "batch 1: request 3: stands at 12..19, must be within the 16 tokens of a batch");
  EXPECT_EQ(with("/batches/0/2/1", "4"),
            "batch 0: token 4 is taken twice, must be one request's or a delimiter's");
  EXPECT_EQ(with("/delimiters", "1"),
            "batch 0: token 5 is taken twice, must be one request's or a delimiter's");
  EXPECT_EQ(with("/max_valid_num", "2"), "batch 0: holds 3 requests, must hold 1..2");
  EXPECT_EQ(with("/batches/1", "[]"), "batch 1: holds 0 requests, must hold 1..16");
  EXPECT_EQ(with("/where/0", "[1,0]"),
            "\"where\" must give the batch and the place of every request in \"batches\"");
  EXPECT_EQ(with("/where", "3"), "\"where\" must be a list");
  EXPECT_EQ(refusal(3), "must be a JSON object");
}

TEST_F(PackPlanTest, form_a_leaves_no_gap) {
  Json json = written(plan_of(form_a(2, 8, 9, 8), PackPolicy::NextFit, {5, 6}));
  json["batches"][0][1][1] = 6;
  EXPECT_EQ(refusal(json),
            "batch 0: request 1: starts at 6, must start at 5, where the one before it ends");
}

// Cut anywhere, or with any byte changed, it is refused or still a sound plan: never a crash.
TEST_F(PackPlanTest, no_damage_is_more_than_refused) {
  const PackPlan plan = plan_of(form_b(2, 8), PackPolicy::FirstFit, {5, 6, 3, 7});
  ASSERT_TRUE(write_plan(path("plan.json"), plan).ok());
  const std::string good = *read_text_file(path("plan.json"));
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x15);
    for (const std::string& text : {good.substr(0, i), bad}) {
      write(path("bad.json"), text);
      if (const auto read = read_plan(path("bad.json")); read.ok()) {
        EXPECT_TRUE(check_plan(*read).ok());
      }
    }
  }
}

}  // namespace
}  // namespace tessera
