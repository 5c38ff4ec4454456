// SPDX-License-Identifier: Apache-2.0
// Recorded from NumPy 1.24.2: np.random.seed(s), then np.random.normal and np.random.randint.
#include "packing/workload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(WorkloadTest, normals_are_numpys) {
  NumpyRandom random(2023);
  for (double expected : {0x1.b6303c89e864ep+7, 0x1.59dd1b9b15a47p+6, -0x1.ea606f779f800p-3,
                          0x1.3c7aee9a03932p+7, 0x1.cbb1b48d5979cp+6, -0x1.215e072b52ff8p+4})
    EXPECT_DOUBLE_EQ(random.normal(128, 128), expected);
}

TEST(WorkloadTest, integers_are_numpys) {
  NumpyRandom random(2023);
  for (uint32_t expected : {21335u, 22041u, 14790u, 19127u, 6049u, 5852u, 6659u, 25460u})
    EXPECT_EQ(random.below(30522), expected);
}

// A range of one value takes nothing from the generator; one past a power of two needs a wider
// mask.
TEST(WorkloadTest, draws_of_every_range_share_one_stream) {
  NumpyRandom random(0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(random.below(1), 0u);
  for (uint32_t expected : {172u, 47u, 117u, 192u, 67u, 251u})
    EXPECT_EQ(random.below(256), expected);
  for (uint32_t expected : {195u, 9u, 211u, 242u, 87u, 70u}) EXPECT_EQ(random.below(257), expected);
  EXPECT_DOUBLE_EQ(random.normal(-1, 3), -1.165105369178863);
  EXPECT_DOUBLE_EQ(random.normal(-1, 3), -1.3219313567403497);
}

TEST(WorkloadTest, the_benchmark_lengths_are_numpys) {
  auto workload = synthetic_workload({});
  ASSERT_TRUE(workload.ok());
  ASSERT_EQ(workload->size(), 1600u);
  std::vector<size_t> first;
  size_t sum = 0, sum_160 = 0;
  for (size_t i = 0; i < workload->size(); ++i) {
    const size_t length = (*workload)[i].ids.size();
    if (i < 16) first.push_back(length);
    if (i < 160) sum_160 += length;
    sum += length;
  }
  EXPECT_THAT(first, ElementsAre(219, 86, 1, 158, 114, 1, 256, 256, 140, 1, 1, 86, 1, 73, 1, 61));
  EXPECT_EQ(sum_160, 20281u);
  EXPECT_EQ(sum, 204491u);
}

TEST(WorkloadTest, the_benchmark_token_ids_are_numpys) {
  auto workload = synthetic_workload({});
  ASSERT_TRUE(workload.ok());
  const auto first_three = [&](size_t i) {
    const std::vector<int32_t>& ids = (*workload)[i].ids;
    return std::vector<int32_t>(ids.begin(), ids.begin() + 3);
  };
  EXPECT_THAT(first_three(0), ElementsAre(12658, 13417, 17399));
  EXPECT_THAT(first_three(1), ElementsAre(21907, 16167, 16574));
  EXPECT_THAT((*workload)[2].ids, ElementsAre(9618));
  EXPECT_THAT(std::vector<int32_t>((*workload)[0].types.begin(), (*workload)[0].types.begin() + 8),
              ElementsAre(1, 1, 0, 1, 1, 0, 0, 0));
  int64_t sum_ids = 0, sum_types = 0;
  for (const SyntheticRequest& request : *workload) {
    for (int32_t id : request.ids) sum_ids += id;
    for (int32_t type : request.types) sum_types += type;
  }
  EXPECT_EQ(sum_ids, 3119628181);
  EXPECT_EQ(sum_types, 102368);
}

TEST(WorkloadTest, fewer_requests_have_the_lengths_of_the_first) {
  WorkloadOptions options;
  options.count = 3;
  auto workload = synthetic_workload(options);
  ASSERT_TRUE(workload.ok());
  ASSERT_EQ(workload->size(), 3u);
  EXPECT_EQ((*workload)[0].ids.size(), 219u);
  EXPECT_EQ((*workload)[2].ids.size(), 1u);
}

TEST(WorkloadTest, an_average_far_past_the_longest_gives_only_the_two_ends) {
  WorkloadOptions options;
  options.average = 1e9;
  options.count = 50;
  auto workload = synthetic_workload(options);
  ASSERT_TRUE(workload.ok());
  for (const SyntheticRequest& request : *workload)
    EXPECT_THAT(request.ids.size(), ::testing::AnyOf(1u, 256u));
}

TEST(WorkloadTest, options_out_of_range_are_refused) {
  const auto refuse = [](WorkloadOptions options) {
    auto workload = synthetic_workload(options);
    EXPECT_FALSE(workload.ok());
    return workload.ok() ? "" : workload.error().message;
  };
  EXPECT_THAT(refuse({.count = -1}), HasSubstr("workload: count is -1, must be in 0.."));
  EXPECT_THAT(refuse({.count = int64_t{1} << 40}), HasSubstr("count is 1099511627776"));
  EXPECT_THAT(refuse({.longest = 0}), HasSubstr("longest length is 0, must be in 1.."));
  EXPECT_THAT(refuse({.vocabulary = 0}), HasSubstr("vocabulary is 0, must be >= 1"));
  EXPECT_THAT(refuse({.average = std::numeric_limits<double>::quiet_NaN()}),
              HasSubstr("average length is"));
}

TEST(WorkloadTest, lengths_that_are_known_get_ids_of_the_seed) {
  const std::vector<int64_t> lengths = {3, 1};
  auto workload = workload_of(lengths, 30522, 2023);
  ASSERT_TRUE(workload.ok());
  EXPECT_THAT((*workload)[0].ids, ElementsAre(21335, 22041, 14790));
  EXPECT_EQ((*workload)[1].ids.size(), 1u);
  EXPECT_EQ((*workload)[1].types.size(), 1u);
  const std::vector<int64_t> many(40, int64_t{1} << 24);
  EXPECT_THAT(workload_of(many, 10, 0).error().message, HasSubstr("more than 268435456 tokens"));
}

}  // namespace
}  // namespace tessera
