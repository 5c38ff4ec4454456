// SPDX-License-Identifier: Apache-2.0
#include "serving/pack_runner.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "serving/offline_runner.h"
#include "serving/rejection.h"
#include "tests/helpers/echo.h"
#include "tests/helpers/packing_forms.h"
#include "tests/helpers/token_requests.h"

namespace tessera {
namespace {

using std::chrono::milliseconds;

std::unique_ptr<PackRunner> create(PackingForm form, const PackRunnerConfig& config,
                                   const RequestOptions& requests = {}) {
  auto runner = PackRunner::create(echo_runner(form), config, requests);
  EXPECT_TRUE(runner.ok()) << runner.error().message;
  return runner.ok() ? runner.take() : nullptr;
}

std::future<Expected<Answer>> submit(PackRunner& runner, std::vector<int32_t> ids) {
  auto future = runner.submit(request_of(std::move(ids)));
  EXPECT_TRUE(future.ok()) << future.error().message;
  return future.ok() ? std::move(future->answer) : std::future<Expected<Answer>>();
}

std::string refusal(PackRunner& runner, const Request& request) {
  auto future = runner.submit(request);
  return future.ok() ? "" : future.error().message;
}

std::vector<int32_t> echo_in(const Answer& answer) {
  return values_of<int32_t>(answer.outputs.at("echo"));
}

// An answer holds its request's ids in order, at positions from 0, under one mask.
void expect_own(const Answer& answer, const std::vector<int32_t>& ids) {
  const std::vector<int32_t> echo = echo_in(answer);
  ASSERT_EQ(echo.size(), ids.size());
  const int32_t ordinal = (echo[0] - 1000 * ids[0]) / 100;
  EXPECT_GE(ordinal, 1);
  EXPECT_EQ(echo, echo_of(ids, ordinal));
}

class EveryForm : public ::testing::TestWithParam<PackingForm> {};

TEST_P(EveryForm, callers_on_many_threads_get_their_own_answers) {
  PackRunnerConfig config;
  config.former.timeout = std::chrono::microseconds(200);
  config.former.max_queue = 16;
  const std::unique_ptr<PackRunner> runner = create(GetParam(), config);
  std::atomic<int64_t> answered{0};
  std::vector<std::thread> threads;
  for (int32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<uint32_t>(t));
      for (int round = 0; round < 100; ++round) {
        std::vector<std::vector<int32_t>> sent;
        std::vector<std::future<Expected<Answer>>> futures;
        for (size_t i = 0; i < 1 + random() % 4; ++i) {
          sent.emplace_back(1 + random() % 6);
          for (int32_t& id : sent.back()) id = static_cast<int32_t>(random() % 10000);
          futures.push_back(submit(*runner, sent.back()));
        }
        for (size_t i = futures.size(); i-- > 0; ++answered) {  // in another order
          const Expected<Answer> answer = futures[i].get();
          ASSERT_TRUE(answer.ok()) << answer.error().message;
          expect_own(*answer, sent[i]);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  int64_t recorded = 0;
  for (const BatchRecord& record : runner->records()) recorded += record.requests;
  EXPECT_EQ(recorded, answered);
}

TEST_P(EveryForm, offline_gives_the_same_answers) {
  const std::shared_ptr<ModelRunner> model = echo_runner(GetParam());
  std::vector<Request> requests;
  for (int32_t i = 0; i < 50; ++i)
    requests.push_back(request_of(std::vector<int32_t>(static_cast<size_t>(1 + i % 6), i)));
  const auto result = run_offline(*model, PackPolicy::FirstFit, requests);
  ASSERT_TRUE(result.ok()) << result.error().message;
  ASSERT_EQ(result->answers.size(), requests.size());
  for (size_t i = 0; i < requests.size(); ++i)
    expect_own(result->answers[i], requests[i].tokens["input_ids"]);
  EXPECT_LT(result->batches, requests.size());
}

INSTANTIATE_TEST_SUITE_P(, EveryForm,
                         ::testing::Values(PackingForm::None, PackingForm::A, PackingForm::B),
                         form_name);

TEST(PackRunner, as_many_as_a_batch_may_hold_closes_a_batch) {
  PackRunnerConfig config = patient();
  config.former.max_valid_num = 3;
  const std::unique_ptr<PackRunner> runner = create(PackingForm::A, config);
  std::vector<std::future<Expected<Answer>>> futures;
  for (int32_t i = 0; i < 3; ++i) futures.push_back(submit(*runner, {i, i}));
  for (int64_t i = 0; i < 3; ++i) {
    const Answer answer = futures[static_cast<size_t>(i)].get().take();
    EXPECT_EQ(answer.ordinal, i);
    EXPECT_EQ(answer.batch, 0u);
  }
  ASSERT_EQ(runner->records().size(), 1u);
  EXPECT_EQ(runner->records()[0].reason, CloseReason::Segments);
  EXPECT_EQ(runner->records()[0].tokens, 6);
}

TEST(PackRunner, a_request_that_does_not_fit_closes_a_batch_and_opens_the_next) {
  const std::unique_ptr<PackRunner> runner = create(PackingForm::A, patient());
  auto a = submit(*runner, {1, 1, 1, 1, 1, 1});
  auto b = submit(*runner, {2, 2, 2, 2, 2, 2});
  auto c = submit(*runner, {3, 3, 3, 3, 3});
  EXPECT_EQ(a.get().take().batch, 0u);
  EXPECT_EQ(b.get().take().batch, 0u);
  EXPECT_EQ(runner->records()[0].reason, CloseReason::Tokens);
  runner->flush();
  const Answer answer = c.get().take();
  EXPECT_EQ(answer.batch, 1u);
  EXPECT_EQ(echo_in(answer), echo_of({3, 3, 3, 3, 3}, 1));
  EXPECT_EQ(runner->records()[1].reason, CloseReason::Flush);
}

TEST(PackRunner, a_batch_without_a_free_token_waits_for_nothing) {
  const std::unique_ptr<PackRunner> runner = create(PackingForm::B, patient());
  auto a = submit(*runner, std::vector<int32_t>(8, 1));
  auto b = submit(*runner, std::vector<int32_t>(8, 2));
  EXPECT_TRUE(a.get().ok() && b.get().ok());
  EXPECT_EQ(runner->records()[0].reason, CloseReason::Tokens);
}

TEST(PackRunner, a_lone_request_waits_its_time_and_no_longer) {
  PackRunnerConfig config;
  config.former.timeout = milliseconds(20);
  const std::unique_ptr<PackRunner> runner = create(PackingForm::B, config);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(echo_in(submit(*runner, {5}).get().take()), echo_of({5}, 1));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(20));
  EXPECT_EQ(runner->records()[0].reason, CloseReason::Timeout);
}

TEST(PackRunner, close_answers_what_was_taken_and_refuses_what_comes) {
  const std::unique_ptr<PackRunner> runner = create(PackingForm::A, patient());
  std::vector<std::future<Expected<Answer>>> futures;
  for (int32_t i = 0; i < 12; ++i) futures.push_back(submit(*runner, {i}));
  runner->close();
  for (int32_t i = 0; i < 12; ++i) expect_own(futures[static_cast<size_t>(i)].get().take(), {i});
  EXPECT_EQ(refusal(*runner, request_of({1})),
            "pack runner: is closed, must be open to take requests");
  runner->close();
  EXPECT_EQ(runner->records().size(), 3u);
}

TEST(PackRunner, a_submit_that_waits_for_room_is_refused_at_close) {
  PackRunnerConfig config = patient();
  config.former.max_queue = 1;
  const std::unique_ptr<PackRunner> runner = create(PackingForm::A, config);
  std::atomic<bool> refused{false};
  std::thread caller([&] {
    while (!refused) refused = !runner->submit(request_of({1})).ok();
  });
  std::this_thread::sleep_for(milliseconds(10));
  runner->close();
  caller.join();
  EXPECT_TRUE(refused);
}

TEST(PackRunner, what_is_wrong_with_a_request_comes_back_by_name) {
  const std::unique_ptr<PackRunner> runner = create(PackingForm::A, patient());
  EXPECT_EQ(refusal(*runner, {}), "request: input_ids is missing, must be given");
  EXPECT_EQ(refusal(*runner, request_of({})), "request: input_ids has 0 tokens, must be 1..6");
  EXPECT_EQ(refusal(*runner, request_of({1, 2, 3, 4, 5, 6, 7})),
            "request: input_ids has 7 tokens, must be 1..6");
  EXPECT_EQ(refusal(*runner, request_of({1, 10000})),
            "request: input_ids has value 10000 at 1, must be in 0..9999");
  Request request = request_of({1, 2, 3, 4});
  request.tokens["attention_mask"] = {1, 1, 1, 0};
  EXPECT_EQ(refusal(*runner, request),
            "request: attention_mask has a 0 at 3, must be 1 for every token of a request");
  request.tokens["attention_mask"] = {1, 1};
  EXPECT_EQ(refusal(*runner, request),
            "request: attention_mask has 2 tokens, must have 4 as input_ids");
  request = request_of({1});
  request.tokens["unpack_info"] = {1};
  EXPECT_EQ(refusal(*runner, request), "request: unpack_info is given, must be left to packing");
  request = request_of({1});
  request.tokens["labels"] = {0};
  EXPECT_EQ(refusal(*runner, request), "request: labels is not an input, must be one of input_ids");
  EXPECT_TRUE(runner->records().empty());
}

TEST(PackRunner, a_full_mask_is_welcome) {
  const std::unique_ptr<PackRunner> runner = create(PackingForm::B, patient());
  Request request = request_of({4, 5});
  request.tokens["attention_mask"] = {1, 1};
  auto answer = runner->submit(request).take().answer;
  runner->flush();
  EXPECT_EQ(echo_in(answer.get().take()), echo_of({4, 5}, 1));
}

TEST(PackRunner, metrics_are_a_text_for_prometheus) {
  const std::unique_ptr<PackRunner> runner = create(PackingForm::A, patient());
  auto answer = submit(*runner, {1, 2, 3});
  EXPECT_NE(refusal(*runner, request_of({})), "");
  runner->drain();
  const std::string text = prometheus_text(runner->metrics(), "a \"b\"");
  for (const char* line : {"tessera_admitted_total{model=\"a \\\"b\\\"\"} 1\n",
                           "tessera_rejected_total{model=\"a \\\"b\\\"\",reason=\"empty\"} 1\n",
                           "tessera_batches_total{model=\"a \\\"b\\\"\",reason=\"drain\"} 1\n",
                           "tessera_valid_tokens_total{model=\"a \\\"b\\\"\"} 3\n",
                           "tessera_pad_tokens_total{model=\"a \\\"b\\\"\"} 13\n",
                           "tessera_answer_seconds_count{model=\"a \\\"b\\\"\"} 1\n",
                           "tessera_batch_token_occupancy_bucket{model=\"a \\\"b\\\"\",le=\"0.2\"} "
                           "1\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "is not in\n" << text;
}

TEST(PackRunner, padding_is_stripped_by_the_mask) {
  const std::unique_ptr<PackRunner> runner =
      create(PackingForm::B, patient(), {.strip_padding = true});
  Request request = request_of({4, 5, 20000, 0, 0, 0, 0, 0, 0, 0});  // padding may be anything
  request.tokens["attention_mask"] = {1, 1, 0, 0, 0, 0, 0, 0, 0, 0};
  auto answer = runner->submit(request).take().answer;
  runner->flush();
  EXPECT_EQ(echo_in(answer.get().take()), echo_of({4, 5}, 1));
  request.tokens["attention_mask"] = {1, 1, 0, 1, 0, 0, 0, 0, 0, 0};
  EXPECT_EQ(refusal(*runner, request),
            "request: attention_mask has a 1 at 3, must be 1 for every token and 0 for the padding "
            "before or behind them");
  request.tokens["attention_mask"].assign(10, 0);
  EXPECT_EQ(refusal(*runner, request),
            "request: input_ids has 0 tokens that the mask keeps, must be 1..8");
}

TEST(PackRunner, padding_before_the_tokens_is_stripped_too) {
  const std::unique_ptr<PackRunner> runner =
      create(PackingForm::B, patient(), {.strip_padding = true});
  Request request = request_of({20000, 0, 4, 5, 6, 0});
  request.tokens["attention_mask"] = {0, 0, 1, 1, 1, 0};
  auto answer = runner->submit(request).take().answer;
  runner->flush();
  const Answer got = answer.get().take();
  EXPECT_EQ(echo_in(got), echo_of({4, 5, 6}, 1));
  EXPECT_EQ(got.first_token, 2u);
  request.tokens["input_ids"][3] = 20000;
  EXPECT_EQ(refusal(*runner, request),
            "request: input_ids has value 20000 at 3, must be in 0..9999");
  request.tokens["attention_mask"] = {0, 2, 1, 1, 1, 0};
  EXPECT_EQ(refusal(*runner, request),
            "request: attention_mask has a 2 at 1, must be 1 for every token and 0 for the padding "
            "before or behind them");
}

TEST(PackRunner, positions_that_a_caller_gives_are_used) {
  const std::unique_ptr<PackRunner> runner = create(PackingForm::B, patient());
  auto before = submit(*runner, {1, 1});
  Request request = request_of({4, 5});
  request.tokens["position_ids"] = {7, 3};
  auto answer = runner->submit(request).take().answer;
  runner->flush();
  const std::vector<int32_t> echo = echo_in(answer.get().take());
  EXPECT_EQ(echo[0] % 100, 7);
  EXPECT_EQ(echo[1] % 100, 3);
  expect_own(before.get().take(), {1, 1});
}

TEST(PackRunner, delimiters_of_the_configuration_stand_between_requests) {
  const RequestOptions apart{.zero_delimiters = 2};
  const std::unique_ptr<PackRunner> runner = create(PackingForm::B, patient(), apart);
  // Two rows of 8: 3 + 2 + 3 fill one; without delimiters 4 + 4 would share the other.
  std::vector<std::future<Expected<Answer>>> answers;
  for (const int32_t length : {3, 3, 4, 4})
    answers.push_back(submit(*runner, std::vector<int32_t>(static_cast<size_t>(length), length)));
  runner->drain();
  EXPECT_EQ(runner->records().size(), 2u);
  EXPECT_EQ(runner->records()[0].tokens, 10);
  for (auto& answer : answers) EXPECT_TRUE(answer.get().ok());
  auto refused = PackRunner::create(echo_runner(PackingForm::A), patient(), apart);
  EXPECT_EQ(refused.error().message,
            "packing: zero_delimiters is 2, must be in 0..0 where requests do not share a row by a "
            "mask");
}

TEST(PackRunner, arrays_of_another_type_or_shape_are_refused_by_name) {
  const std::unique_ptr<PackRunner> runner = create(PackingForm::B, patient());
  const auto refused = [&](const InputView& view) {
    auto id = runner->submit_arrays(
        {
            {"input_ids", view}
    },
        {}, [](Expected<Answer>) {});
    EXPECT_FALSE(id.ok());
    return id.ok() ? Error{} : id.error();
  };
  const std::vector<float> floats(3);
  Error error = refused({DType::F32, false, {3}, std::as_bytes(std::span(floats))});
  EXPECT_EQ(error.message, "request: input_ids is f32, must be i32, int64 or bool");
  EXPECT_EQ(error.type, rejection::kWrongDtype);
  const std::vector<int64_t> wide = {1, int64_t{1} << 32, 3};
  error = refused({DType::I32, true, {3}, std::as_bytes(std::span(wide))});
  EXPECT_EQ(error.message, "request: input_ids has value 4294967296 at 1, must fit 32 bits");
  EXPECT_EQ(error.type, rejection::kOutOfRange);
  const std::vector<int64_t> column = {1, 2, 3};
  error = refused({
      DType::I32, true, {3, 1},
        std::as_bytes(std::span(column))
  });
  EXPECT_EQ(error.message, "request: input_ids is [3,1], must be [length] or [1,length]");
  EXPECT_EQ(error.type, rejection::kWrongInput);
  EXPECT_EQ(runner->metrics().rejected.at("wrong_dtype"), 1u);

  const std::vector<int64_t> good = {4, 5};
  std::promise<Expected<Answer>> promise;
  ASSERT_TRUE(
      runner
          ->submit_arrays(
              {
                  {"input_ids", {DType::I32, true, {1, 2}, std::as_bytes(std::span(good))}}
  },
              {}, [&](Expected<Answer> a) { promise.set_value(std::move(a)); })
          .ok());
  runner->flush();
  EXPECT_EQ(echo_in(promise.get_future().get().take()), echo_of({4, 5}, 1));
}

// The batch that a bad request would have joined goes on as if it had not come.
TEST(PackRunner, bad_requests_disturb_no_batch) {
  const std::unique_ptr<PackRunner> runner = create(PackingForm::B, patient());
  auto before = submit(*runner, {1, 2});
  Request hole = request_of({1, 2, 3});
  hole.tokens["attention_mask"] = {1, 0, 1};
  for (const auto& [request, type] : std::vector<std::pair<Request, std::string_view>>{
           {request_of(std::vector<int32_t>(9, 1)), rejection::kOverLong},
           {request_of({}), rejection::kEmpty},
           {hole, rejection::kHoleInMask},
           {request_of({10000}), rejection::kOutOfRange}
  }) {
    const auto refused = runner->submit(request);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().type, type);
    EXPECT_EQ(runner->metrics().rejected.at(std::string(type)), 1u);
  }
  auto after = submit(*runner, {3});
  runner->drain();
  expect_own(before.get().take(), {1, 2});
  expect_own(after.get().take(), {3});
  EXPECT_EQ(runner->records().size(), 1u);
  EXPECT_EQ(runner->records()[0].requests, 2);
}

TEST(PackRunner, limits_that_the_executable_does_not_have_are_refused) {
  PackRunnerConfig config;
  config.former.max_valid_num = 6;
  auto runner = PackRunner::create(echo_runner(PackingForm::A), config);
  ASSERT_FALSE(runner.ok());
  EXPECT_EQ(runner.error().message, "pack runner: max_valid_num is 6, must be in 0..5");
}

}  // namespace
}  // namespace tessera
