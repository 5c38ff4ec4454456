// SPDX-License-Identifier: Apache-2.0
// The choice of window, time limit and request limit for a shape.
#include "serving/tune.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "packing/workload.h"
#include "tests/helpers/contracts.h"

namespace tessera {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::Le;

constexpr Time kBatch = std::chrono::milliseconds(10);

std::vector<int64_t> workload_lengths(int64_t count) {
  WorkloadOptions options;
  options.count = count;
  return *synthetic_lengths(options);
}

TunedShape tuned(const PackingContract& contract, const std::vector<int64_t>& lengths,
                 const TuneOptions& options = {}) {
  auto shape = tune_shape(contract, kBatch, lengths, options);
  EXPECT_TRUE(shape.ok()) << shape.error().message;
  return shape.take();
}

TEST(TuneTest, chooses_the_smallest_window_that_is_as_good) {
  const std::vector<int64_t> lengths = workload_lengths(2000);
  const TunedShape shape = tuned(form_b(16, 256), lengths);
  EXPECT_THAT(shape.rule.window, AllOf(Ge(32), Le(256)));
  const TunedShape padded_like = tuned(form_b(4, 256), std::vector<int64_t>(50, 256));
  EXPECT_EQ(padded_like.rule.window, 16);
  EXPECT_DOUBLE_EQ(padded_like.requests_per_second, 50 / (13 * 0.010));
}

TEST(TuneTest, says_whether_a_rate_is_kept_up_with) {
  const std::vector<int64_t> lengths = workload_lengths(4000);
  EXPECT_TRUE(tuned(form_b(16, 256), lengths, {2500, 1}).keeps_up);
  EXPECT_FALSE(tuned(form_b(16, 256), lengths, {4500, 1}).keeps_up);
  const TunedShape shape = tuned(form_b(16, 256), lengths);
  EXPECT_NEAR(shape.rate, 0.8 * shape.requests_per_second, 1e-6);
  EXPECT_TRUE(shape.keeps_up);
  EXPECT_LE(shape.p50, shape.p99);
  EXPECT_THAT(shape.time_limit, AllOf(Ge(Time(0)), Le(2 * kBatch)));
}

TEST(TuneTest, request_limits_are_about_what_a_batch_holds) {
  EXPECT_THAT(request_limits(form_a(4, 8, 0, 8), std::vector<int64_t>(100, 4)),
              ElementsAre(8, 9, 10));
  EXPECT_THAT(request_limits(form_a(1, 8, 0, 8), std::vector<int64_t>(100, 8)), ElementsAre(1, 2));
}

}  // namespace
}  // namespace tessera
