// SPDX-License-Identifier: Apache-2.0
#include "serving/row_call.h"

#include <gtest/gtest.h>

#include <future>

#include "serving/rejection.h"
#include "tests/helpers/echo.h"

namespace tessera {
namespace {

using Answers = Expected<std::vector<Answer>>;

std::shared_ptr<PackRunner> waiting_runner() {
  PackRunnerConfig config;
  config.former.timeout = std::chrono::hours(1);
  auto runner = PackRunner::create(echo_runner(PackingForm::B), config);
  EXPECT_TRUE(runner.ok()) << runner.error().message;
  return runner.ok() ? runner.take() : nullptr;
}

std::vector<Request> rows_of(const std::vector<std::vector<int32_t>>& ids) {
  std::vector<Request> rows(ids.size());
  for (size_t row = 0; row < ids.size(); ++row) rows[row].tokens["input_ids"] = ids[row];
  return rows;
}

struct Caller {
  std::promise<Answers> promise;
  std::future<Answers> answers = promise.get_future();
  RowCall::Done done() {
    return [this](Answers given) { promise.set_value(std::move(given)); };
  }
};

TEST(RowCall, answers_come_together_and_in_order) {
  const auto runner = waiting_runner();
  Caller caller;
  const auto call = RowCall::submit(runner,
                                    rows_of({
                                        {1, 2, 3, 4, 5, 6, 7},
                                        {8},
                                        {9, 10}
  }),
                                    {}, caller.done());
  ASSERT_TRUE(call.ok()) << call.error().message;
  runner->drain();
  const Answers answers = caller.answers.get();
  ASSERT_TRUE(answers.ok()) << answers.error().message;
  ASSERT_EQ(answers->size(), 3u);
  EXPECT_EQ(values_of<int32_t>((*answers)[1].outputs.at("echo"))[0] / 1000, 8);
  EXPECT_EQ(values_of<int32_t>((*answers)[2].outputs.at("echo"))[1] / 1000, 10);
}

TEST(RowCall, a_row_that_is_refused_takes_the_others_back) {
  const auto runner = waiting_runner();
  Caller caller;
  const auto call = RowCall::submit(runner, rows_of({{1}, {2}, {10000}}), {}, caller.done());
  ASSERT_FALSE(call.ok());
  EXPECT_EQ(call.error().message,
            "row 2: request: input_ids has value 10000 at 0, must be in 0..9999");
  EXPECT_EQ(call.error().type, rejection::kOutOfRange);
  EXPECT_EQ(runner->metrics().queue_requests, 0);
  EXPECT_EQ(runner->metrics().cancelled, 2u);
  EXPECT_EQ(caller.answers.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
}

TEST(RowCall, is_cancelled_as_a_whole) {
  const auto runner = waiting_runner();
  Caller caller;
  const auto call = RowCall::submit(runner, rows_of({{1}, {2}}), {}, caller.done());
  ASSERT_TRUE(call.ok()) << call.error().message;
  (*call)->cancel();
  const Answers answers = caller.answers.get();
  ASSERT_FALSE(answers.ok());
  EXPECT_EQ(answers.error().type, rejection::kCancelled);
  EXPECT_EQ(runner->metrics().queue_requests, 0);
}

}  // namespace
}  // namespace tessera
