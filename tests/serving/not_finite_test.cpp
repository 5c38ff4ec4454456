// SPDX-License-Identifier: Apache-2.0
// A request whose answer half precision made infinite is told apart from the others of its batch,
// offline, online and in the counts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "serving/offline_runner.h"
#include "serving/pack_runner.h"
#include "support/half.h"
#include "tests/helpers/tiny_executable.h"
#include "tests/helpers/token_requests.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Id 3 is looked up as infinity.
constexpr std::string_view kLookup = R"(program lookup {
  target test
  input input_ids: i32[2,8] = by [2,8] at 0
  constant table: f16[5] = by [5] at 0 data 0
  output y: f16[2,8] = by [2,8] at 0
  inputs input_ids
  outputs y
  step lookup {
    gather on [1] at 0 rows=5 cells=1 shape=[2,8]
    read table as [1,5,1] [*, *, *]
    read input_ids as [16] [*]
    write y as [1,1,16,1] [*, *, *, *]
  }
}
)";

std::shared_ptr<ModelRunner> lookup_runner() {
  std::vector<uint16_t> table(5, to_half(1.0F));
  table[3] = to_half(std::numeric_limits<float>::infinity());
  Executable executable = tiny_executable(kLookup, {bytes_of(table)});
  executable.metadata.packing.request_size = RequestSize::Tokens;
  executable.metadata.packing.outputs = {
      {"y", false}
  };
  return runner_of(std::move(executable));
}

TEST(NotFiniteAnswers, of_one_request_are_not_those_of_its_batch) {
  const auto runner = lookup_runner();
  ASSERT_NE(runner, nullptr);
  const std::vector<Request> requests = {request_of({1, 2}), request_of({3, 1, 3})};
  const auto done = run_offline(*runner, PackPolicy::FirstFit, requests);
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_THAT(done->answers[0].not_finite, IsEmpty());
  EXPECT_THAT(done->answers[1].not_finite, ElementsAre(NotFinite{"y", 2, 3}));
}

TEST(NotFiniteAnswers, are_told_to_the_caller_and_counted) {
  const auto runner = PackRunner::create(lookup_runner(), PackRunnerConfig{});
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
