// SPDX-License-Identifier: Apache-2.0
// Many requests of random lengths, priorities, deadlines and cancels, from 8 threads at once, over
// an executor that says in each answer whose it is. TESSERA_STRESS_REQUESTS sets how many.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <thread>

#include "packing/pack.h"
#include "serving/batch_executor.h"
#include "serving/pack_runner.h"
#include "serving/rejection.h"
#include "tests/helpers/contracts.h"

namespace tessera {
namespace {

constexpr int kThreads = 8;
constexpr int64_t kPinned = 8;

// Answers each request with its first token and its length, and looks whether the batch is sound.
class Labels final : public BatchExecutor {
 public:
  Labels() {
    contract_ = form_b(16, 256, 40);
    contract_.ids_input = "input_ids";
  }
  const PackingContract& contract() const override { return contract_; }
  double modelled_seconds() const override { return 0; }
  Expected<int64_t> check(const Request& request) const override {
    const int64_t length = std::ssize(request.tokens.at("input_ids"));
    if (length <= 256) return length;
    return Error{"request: too long", ErrorKind::Failed, rejection::kOverLong};
  }
  std::unique_ptr<RunningBatch> start(const PackedBatch& batch,
                                      std::span<const Request* const> requests,
                                      uint64_t number) override;
  int64_t bad_batches() const { return bad_batches_; }

 private:
  class Running final : public RunningBatch {
   public:
    explicit Running(std::vector<Answer> answers) : answers_(std::move(answers)) {}
    Expected<std::vector<Answer>> finish() override { return std::move(answers_); }

   private:
    std::vector<Answer> answers_;
  };
  PackingContract contract_;
  std::atomic<int64_t> bad_batches_{0};
};

std::unique_ptr<RunningBatch> Labels::start(const PackedBatch& batch,
                                            std::span<const Request* const> requests,
                                            uint64_t number) {
  std::vector<bool> used(16 * 256);
  std::vector<Answer> answers;
  bool sound = requests.size() == batch.placements.size() && requests.size() <= 40;
  for (const Placement& place : batch.placements) {
    const std::vector<int32_t>& ids = requests[place.request]->tokens.at("input_ids");
    sound &= std::ssize(ids) == place.length;
    sound &= place.start / 256 == (place.start + place.length - 1) / 256;
    for (int64_t i = 0; i < place.length; ++i) {
      sound &= !used[static_cast<size_t>(place.start + i)];
      used[static_cast<size_t>(place.start + i)] = true;
    }
    const int32_t label[] = {ids[0], static_cast<int32_t>(ids.size())};
    const auto bytes = std::as_bytes(std::span(label));
    answers.push_back({{{"label", {bytes.begin(), bytes.end()}}}, number, 0});
  }
  if (!sound) ++bad_batches_;
  return std::make_unique<Running>(std::move(answers));
}

// Follows the former's events and holds every request against its bound.
class Starvation {
 public:
  void see(const FormerEvent& event) {
    switch (event.kind) {
      case FormerEvent::Kind::Submit:
        if (event.id) waiting_[*event.id] = {std::ssize(waiting_), batches_};
        break;
      case FormerEvent::Kind::Cancel: waiting_.erase(*event.id); break;
      case FormerEvent::Kind::Poll: see_poll(event); break;
      default: break;
    }
  }
  int64_t beyond() const { return beyond_; }
  int64_t longest() const { return longest_; }
  bool all_gone() const { return waiting_.empty(); }

 private:
  struct Entry {
    int64_t others = 0, batches = 0;
  };
  void see_poll(const FormerEvent& event) {
    for (const RequestId id : *event.missed) waiting_.erase(id);
    if (event.batch == nullptr) return;
    ++batches_;
    for (const FormedBatch::Rider& rider : event.batch->riders) {
      const auto entry = waiting_.find(rider.id);
      if (entry == waiting_.end()) {
        ++beyond_;  // it was not waiting at all
        continue;
      }
      const int64_t waited = batches_ - entry->second.batches;
      if (waited > entry->second.others / kPinned + 1) ++beyond_;
      longest_ = std::max(longest_, waited);
      waiting_.erase(entry);
    }
  }
  std::map<RequestId, Entry> waiting_;
  int64_t batches_ = 0, beyond_ = 0, longest_ = 0;
};

// The fate of each request; a slot per request, so that threads share nothing.
struct Outcomes {
  explicit Outcomes(size_t count) : results(count), taken(count) {}
  std::vector<std::atomic<int>> results;
  std::vector<char> taken;
  std::atomic<int64_t> answered{0}, cancelled{0}, missed{0}, strange{0};

  void result(size_t number, int64_t length, const Expected<Answer>& answer) {
    ++results[number];
    if (!answer) {
      const std::string_view type = answer.error().type;
      if (type == rejection::kCancelled)
        ++cancelled;
      else if (type == rejection::kDeadlineMissed)
        ++missed;
      else
        ++strange;
      return;
    }
    int32_t label[2];
    std::memcpy(label, answer->outputs.at("label").data(), sizeof label);
    if (label[0] != static_cast<int32_t>(number) || label[1] != length) ++strange;
    ++answered;
  }
};

// One caller: requests first, first + kThreads, …
void call(PackRunner& runner, Outcomes& outcomes, size_t first) {
  std::mt19937 random(static_cast<uint32_t>(first));
  std::vector<RequestId> mine;
  for (size_t number = first; number < outcomes.taken.size(); number += kThreads) {
    const int64_t length = 1 + random() % (random() % 4 == 0 ? 256 : 64);
    Request request;
    request.tokens["input_ids"].assign(static_cast<size_t>(length), static_cast<int32_t>(number));
    SubmitOptions options;
    options.priority = static_cast<int32_t>(random() % 4);
    if (random() % 4 == 0) options.deadline = std::chrono::microseconds(random() % 4000);
    if (random() % 4 == 0) options.wait = std::chrono::microseconds(0);
    const auto id = runner.submit(
        std::move(request), options,
        [&outcomes, number, length](Expected<Answer> a) { outcomes.result(number, length, a); });
    if (!id) continue;
    outcomes.taken[number] = true;
    mine.push_back(*id);
    if (random() % 8 == 0)
      runner.cancel(mine[mine.size() - 1 - random() % std::min<size_t>(mine.size(), 20)]);
    if (random() % 1000 == 0) runner.flush();
  }
}

size_t request_count() {
  const char* text = std::getenv("TESSERA_STRESS_REQUESTS");
  return text == nullptr ? 100000 : std::strtoull(text, nullptr, 10);
}

TEST(OnlineStress, every_request_gets_one_result_its_own_within_its_bound) {
  const size_t count = request_count();
  auto executor = std::make_shared<Labels>();
  Starvation starvation;
  PackRunnerConfig config;
  config.former.timeout = std::chrono::microseconds(300);
  config.former.rule.pinned = kPinned;
  config.former.max_queue = 500;
  config.former.max_queue_tokens = 30000;
  config.warm_up = true;
  config.former.margin = std::chrono::microseconds(100);
  config.max_records = 10;
  config.record = [&](const FormerEvent& event) { starvation.see(event); };
  Outcomes outcomes(count);
  auto runner = PackRunner::create(std::static_pointer_cast<BatchExecutor>(executor), config);
  ASSERT_TRUE(runner.ok()) << runner.error().message;
  std::vector<std::thread> callers;
  for (size_t t = 0; t < kThreads; ++t)
    callers.emplace_back([&, t] { call(**runner, outcomes, t); });
  for (std::thread& caller : callers) caller.join();
  (*runner)->close();

  const OnlineMetrics metrics = (*runner)->metrics();
  int64_t taken = 0;
  for (size_t i = 0; i < count; ++i) {
    ASSERT_EQ(outcomes.results[i], outcomes.taken[i] ? 1 : 0) << "request " << i;
    taken += outcomes.taken[i];
  }
  EXPECT_EQ(outcomes.strange, 0);
  EXPECT_EQ(executor->bad_batches(), 0);
  EXPECT_EQ(starvation.beyond(), 0);
  EXPECT_TRUE(starvation.all_gone());
  // The metrics say what the test saw; and every kind of end came up.
  EXPECT_EQ(static_cast<int64_t>(metrics.admitted), taken);
  EXPECT_EQ(static_cast<int64_t>(metrics.answered), outcomes.answered);
  EXPECT_EQ(static_cast<int64_t>(metrics.cancelled), outcomes.cancelled);
  EXPECT_EQ(static_cast<int64_t>(metrics.missed_waiting), outcomes.missed);
  EXPECT_EQ(outcomes.answered + outcomes.cancelled + outcomes.missed, taken);
  EXPECT_GT(outcomes.answered, static_cast<int64_t>(count / 4));
  EXPECT_GT(outcomes.cancelled, 0);
  uint64_t rejected = 0;
  for (const auto& [type, rejections] : metrics.rejected) rejected += rejections;
  EXPECT_EQ(rejected + metrics.admitted, count);
  EXPECT_GT(metrics.rejected.at("deadline"), 0u);
  RecordProperty("batches", std::to_string(metrics.all_batches()));
  RecordProperty("most_batches_waited", std::to_string(starvation.longest()));
}

}  // namespace
}  // namespace tessera
