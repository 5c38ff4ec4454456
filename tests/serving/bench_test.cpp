// SPDX-License-Identifier: Apache-2.0
// The figures that a bench measures of executables, and its shares.
#include "serving/bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serving/latencies.h"
#include "tests/helpers/lookup.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

// Each token's answer is its id, negated.
std::shared_ptr<ModelRunner> tiny_runner() {
  return lookup_runner(DType::F32, bytes_of(std::vector<float>{0, -1, -2, -3, -4}));
}

TEST(Latencies, a_share_is_the_least_value_that_so_many_do_not_pass) {
  const Latencies ten({10, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  EXPECT_EQ(ten.at(0.5), 5);
  EXPECT_EQ(ten.at(0.9), 9);
  EXPECT_EQ(ten.at(0.95), 10);
  EXPECT_EQ(ten.at(1), 10);
  EXPECT_EQ(ten.mean(), 5.5);
  EXPECT_EQ(Latencies({}).at(0.5), 0);
  EXPECT_EQ(Latencies({3}).at(0.01), 3);
}

TEST(BenchRun, one_executable_alone_runs_whole_batches) {
  const BenchedExecutable one{"tiny", tiny_runner()};
  BenchOptions options;
  options.iterations = 7;
  const auto result = bench(std::span(&one, 1), options);
  ASSERT_TRUE(result.ok()) << result.error().message;
  ASSERT_EQ(result->runs.size(), 1u);
  EXPECT_EQ(result->runs[0].batches, 7);
  EXPECT_EQ(result->runs[0].batch_seconds.size(), 7u);
  const nlohmann::ordered_json json = to_json(*result);
  EXPECT_EQ(json["runs"][0]["executable"], "tiny");
  EXPECT_FALSE(json["runs"][0].contains("fill"));
}

TEST(BenchRun, packed_executables_come_behind_a_padded_one) {
  const std::vector<BenchedExecutable> two = {
      {"a", tiny_runner()},
      {"b", tiny_runner()}
  };
  const auto result = bench(two, {});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::Usage);
  EXPECT_THAT(result.error().message, HasSubstr("b: must be a padded executable first"));
  EXPECT_THAT(bench({}, {}).error().message, HasSubstr("no executable"));
}

TEST(BenchRun, ids_are_below_the_table) {
  const auto runner = tiny_runner();
  const Metadata& metadata = runner->executable().metadata;
  PackingContract contract;
  contract.ids_input = "input_ids";
  EXPECT_EQ(*drawn_below(3, &metadata, contract), 3);
  EXPECT_EQ(*drawn_below(0, nullptr, contract), 30522);
  EXPECT_THAT(drawn_below(-1, &metadata, contract).error().message, HasSubstr("vocab: -1"));
}

}  // namespace
}  // namespace tessera
