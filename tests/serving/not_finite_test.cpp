// SPDX-License-Identifier: Apache-2.0
// A request whose answer half precision made infinite is told apart from the others of its batch,
// offline, online and in the counts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "serving/offline_runner.h"
#include "serving/pack_runner.h"
#include "support/half.h"
#include "tests/helpers/lookup.h"
#include "tests/helpers/token_requests.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Id 3 is looked up as infinity.
std::shared_ptr<ModelRunner> runner_of_infinity() {
  std::vector<uint16_t> table(5, to_half(1.0F));
  table[3] = to_half(std::numeric_limits<float>::infinity());
  return lookup_runner(DType::F16, bytes_of(table));
}

TEST(NotFiniteAnswers, of_one_request_are_not_those_of_its_batch) {
  const auto runner = runner_of_infinity();
  ASSERT_NE(runner, nullptr);
  const std::vector<Request> requests = {request_of({1, 2}), request_of({3, 1, 3})};
  const auto done = run_offline(*runner, PackPolicy::FirstFit, requests);
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_THAT(done->answers[0].not_finite, IsEmpty());
  EXPECT_THAT(done->answers[1].not_finite, ElementsAre(NotFinite{"y", 2, 3}));
}

TEST(NotFiniteAnswers, are_told_to_the_caller_and_counted) {
  const auto runner = PackRunner::create(runner_of_infinity(), PackRunnerConfig{});
  ASSERT_TRUE(runner.ok()) << runner.error().message;
  auto fine = (*runner)->submit(request_of({1, 2}), {});
  auto lost = (*runner)->submit(request_of({3}), {});
  ASSERT_TRUE(fine.ok() && lost.ok());
  (*runner)->drain();
  const auto first = fine->answer.get(), second = lost->answer.get();
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_THAT(first->not_finite, IsEmpty());
  EXPECT_THAT(second->not_finite, ElementsAre(NotFinite{"y", 1, 1}));
  EXPECT_EQ((*runner)->metrics().not_finite, 1u);
  EXPECT_THAT(prometheus_text((*runner)->metrics(), "m"),
              HasSubstr("not_finite_total{model=\"m\"} 1"));
}

}  // namespace
}  // namespace tessera
