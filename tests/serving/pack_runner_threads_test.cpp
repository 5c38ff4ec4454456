// SPDX-License-Identifier: Apache-2.0
// The threads of online packing, over a machine whose batches end when the test says so.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <thread>

#include "packing/pack.h"
#include "serving/batch_executor.h"
#include "serving/pack_runner.h"
#include "serving/rejection.h"
#include "tests/helpers/contracts.h"
#include "tests/helpers/token_requests.h"

namespace tessera {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

// Runs batches one at a time, each until the test lets it go.
class Gate final : public BatchExecutor {
 public:
  Gate() {
    contract_ = form_b(4, 10, 3);
    contract_.ids_input = "input_ids";
  }
  const PackingContract& contract() const override { return contract_; }
  double modelled_seconds() const override { return 0.01; }
  Expected<int64_t> check(const Request& request) const override {
    return std::ssize(request.tokens.at("input_ids"));
  }
  std::unique_ptr<RunningBatch> start(const PackedBatch& batch,
                                      std::span<const Request* const> requests,
                                      uint64_t number) override {
    std::vector<Answer> answers;
    for (const Placement& place : batch.placements) {
      const auto bytes = std::as_bytes(std::span(requests[place.request]->tokens.at("input_ids")));
      answers.push_back({{{"ids", {bytes.begin(), bytes.end()}}}, number, 0});
    }
    ++started;
    return std::make_unique<Running>(*this, std::move(answers));
  }
  void open(int batches) {
    const std::lock_guard lock(mutex_);
    free_ += batches;
    opened_.notify_all();
  }
  void wait_for_start(int batches) const {
    while (started < batches) std::this_thread::sleep_for(milliseconds(1));
  }
  std::atomic<int> started{0};
  std::atomic<bool> fails{false};

 private:
  class Running final : public RunningBatch {
   public:
    Running(Gate& gate, std::vector<Answer> answers) : gate_(gate), answers_(std::move(answers)) {}
    Expected<std::vector<Answer>> finish() override {
      std::unique_lock lock(gate_.mutex_);
      gate_.opened_.wait(lock, [&] { return gate_.free_ > 0; });
      --gate_.free_;
      if (gate_.fails) return Error{"machine: is broken, must be whole"};
      return std::move(answers_);
    }

   private:
    Gate& gate_;
    std::vector<Answer> answers_;
  };
  PackingContract contract_;
  std::mutex mutex_;
  std::condition_variable opened_;
  int free_ = 0;
};

struct Gated {
  std::shared_ptr<Gate> gate = std::make_shared<Gate>();
  std::unique_ptr<PackRunner> runner;

  explicit Gated(const PackRunnerConfig& config) {
    auto created = PackRunner::create(std::static_pointer_cast<BatchExecutor>(gate), config);
    EXPECT_TRUE(created.ok()) << created.error().message;
    if (created.ok()) runner = created.take();
  }
  PackRunner::Submission submit(int32_t id, const SubmitOptions& options = {}) {
    auto submission = runner->submit(request_of({id}), options);
    EXPECT_TRUE(submission.ok()) << submission.error().message;
    return submission.ok() ? submission.take() : PackRunner::Submission{};
  }
};

TEST(PackRunnerThreads, the_next_batch_is_packed_while_one_runs) {
  Gated gated(patient());
  std::vector<PackRunner::Submission> all;
  for (int32_t i = 0; i < 9; ++i) all.push_back(gated.submit(i));
  gated.gate->wait_for_start(2);  // three requests are a full batch; none has ended
  EXPECT_TRUE(gated.runner->records().empty());
  EXPECT_EQ(gated.runner->metrics().queue_requests, 3);
  gated.gate->open(3);
  for (PackRunner::Submission& one : all) EXPECT_TRUE(one.answer.get().ok());
}

TEST(PackRunnerThreads, cancelled_requests_get_that_result_waiting_or_in_a_batch) {
  Gated gated(patient());
  std::vector<PackRunner::Submission> all;
  for (int32_t i = 0; i < 4; ++i) all.push_back(gated.submit(i));
  gated.gate->wait_for_start(1);
  EXPECT_TRUE(gated.runner->cancel(all[3].id));  // waits
  EXPECT_TRUE(gated.runner->cancel(all[1].id));  // rides
  EXPECT_FALSE(gated.runner->cancel(all[1].id));
  for (const size_t i : {3u, 1u}) {
    const auto result = all[i].answer.get();
    EXPECT_EQ(result.error().type, rejection::kCancelled);
  }
  gated.gate->open(1);
  EXPECT_TRUE(all[0].answer.get().ok());
  EXPECT_TRUE(all[2].answer.get().ok());
  EXPECT_FALSE(gated.runner->cancel(all[0].id));
  EXPECT_FALSE(gated.runner->cancel(12345));
  EXPECT_EQ(gated.runner->metrics().cancelled, 2u);
  EXPECT_EQ(gated.runner->metrics().cancelled_in_flight, 1u);
  EXPECT_EQ(gated.runner->metrics().answered, 2u);
}

TEST(PackRunnerThreads, drain_returns_when_all_have_their_answers_and_takes_more) {
  Gated gated(patient());
  auto first = gated.submit(1);
  gated.gate->open(2);
  gated.runner->drain();
  EXPECT_EQ(first.answer.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  EXPECT_EQ(gated.runner->records()[0].reason, CloseReason::Drain);
  auto second = gated.submit(2);
  gated.runner->close();
  EXPECT_TRUE(second.answer.get().ok());
}

TEST(PackRunnerThreads, answers_keep_the_order_of_requests_where_asked) {
  PackRunnerConfig config = patient();
  config.former.rule.pinned = 1;
  config.keep_order = true;
  Gated gated(config);
  std::vector<int32_t> order;
  std::mutex mutex;
  SubmitOptions options;
  for (int32_t i = 0; i < 12; ++i) {
    options.priority = i;  // the last go first
    ASSERT_TRUE(gated.runner
                    ->submit(request_of({i}), options,
                             [&, i](Expected<Answer> answer) {
                               EXPECT_TRUE(answer.ok());
                               const std::lock_guard lock(mutex);
                               order.push_back(i);
                             })
                    .ok());
  }
  gated.gate->open(12);
  gated.runner->drain();
  std::vector<int32_t> sorted(12);
  std::iota(sorted.begin(), sorted.end(), 0);
  EXPECT_EQ(order, sorted);
}

TEST(PackRunnerThreads, a_full_queue_refuses_or_makes_wait_as_the_caller_asks) {
  PackRunnerConfig config = patient();
  config.former.max_queue = 3;
  Gated gated(config);
  std::vector<PackRunner::Submission> all;
  for (int32_t i = 0; i < 9; ++i) all.push_back(gated.submit(i));  // two batches run, three wait
  gated.gate->wait_for_start(2);
  SubmitOptions options;
  options.wait = std::chrono::microseconds(0);
  EXPECT_EQ(gated.runner->submit(request_of({7}), options).error().type, rejection::kQueueFull);
  options.wait = milliseconds(5);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(gated.runner->submit(request_of({7}), options).error().type, rejection::kQueueFull);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(5));
  EXPECT_EQ(gated.runner->metrics().rejected.at("queue_full"), 2u);
  gated.gate->open(9);
}

TEST(PackRunnerThreads, deadlines_are_held_against_the_time_that_was_chosen) {
  PackRunnerConfig config = patient();
  config.batch_time = BatchTime::Modelled;   // 10 ms
  config.former.margin = milliseconds(500);  // however late a thread may wake up
  Gated gated(config);
  SubmitOptions options;
  options.deadline = milliseconds(505);
  const auto refused = gated.runner->submit(request_of({1}), options);
  EXPECT_EQ(refused.error().type, rejection::kDeadline);
  EXPECT_EQ(refused.error().kind, ErrorKind::Refused);
  options.deadline = milliseconds(560);
  gated.gate->open(1);
  auto taken = gated.submit(1, options);
  EXPECT_TRUE(taken.answer.get().ok());
  EXPECT_EQ(gated.runner->records()[0].reason, CloseReason::Deadline);
}

TEST(PackRunnerThreads, one_slow_batch_does_not_keep_deadlines_out_for_good) {
  Gated gated(patient());
  auto slow = gated.submit(1);
  gated.runner->flush();
  std::this_thread::sleep_for(milliseconds(50));
  gated.gate->open(1000);
  EXPECT_TRUE(slow.answer.get().ok());
  SubmitOptions options;
  options.deadline = milliseconds(20);
  int refused = 0;
  while (!gated.runner->submit(request_of({1}), options).ok() && refused < 1000) ++refused;
  EXPECT_GT(refused, 3);
  EXPECT_LT(refused, 100);
}

TEST(PackRunnerThreads, a_batch_that_fails_tells_all_of_its_requests) {
  Gated gated(patient());
  gated.gate->fails = true;
  gated.gate->open(1);
  auto a = gated.submit(1), b = gated.submit(2);
  gated.runner->flush();
  EXPECT_EQ(a.answer.get().error().message, "machine: is broken, must be whole");
  EXPECT_EQ(b.answer.get().error().message, "machine: is broken, must be whole");
  EXPECT_EQ(gated.runner->metrics().failed, 2u);
}

TEST(PackRunnerThreads, a_callback_may_submit_the_next_request) {
  Gated gated(patient());
  gated.gate->open(100);
  std::atomic<int> answered{0};
  PackRunner::Done next = [&](Expected<Answer> answer) {
    EXPECT_TRUE(answer.ok());
    if (++answered < 10) {
      EXPECT_TRUE(gated.runner->submit(request_of({1}), {}, next).ok());
      gated.runner->flush();
    }
  };
  ASSERT_TRUE(gated.runner->submit(request_of({1}), {}, next).ok());
  gated.runner->flush();
  while (answered < 10) std::this_thread::yield();
}

}  // namespace
}  // namespace tessera
