// SPDX-License-Identifier: Apache-2.0
// Memory that cannot be had, where a PackRunner is at work: the requests that it struck are
// answered with that, and the runner serves on.
#include <gtest/gtest.h>

#include <new>

#include "serving/pack_runner.h"
#include "support/guard.h"
#include "tests/helpers/echo.h"

namespace tessera {
namespace {

enum class Throws : uint8_t { Never, InStart, InFinish };

// Answers with nothing, or throws.
class Thrower : public BatchExecutor {
 public:
  class Batch : public RunningBatch {
   public:
    Batch(size_t requests, bool throws) : requests_(requests), throws_(throws) {}
    Expected<std::vector<Answer>> finish() override {
      if (throws_) throw std::bad_alloc();
      return std::vector<Answer>(requests_);
    }

   private:
    size_t requests_;
    bool throws_;
  };

  const PackingContract& contract() const override { return contract_; }
  double modelled_seconds() const override { return 1e-3; }
  Expected<int64_t> check(const Request&) const override { return 1; }
  std::unique_ptr<RunningBatch> start(const PackedBatch& batch, std::span<const Request* const>,
                                      uint64_t) override {
    if (throws == Throws::InStart) throw std::bad_alloc();
    return std::make_unique<Batch>(batch.placements.size(), throws == Throws::InFinish);
  }

  std::atomic<Throws> throws = Throws::Never;

 private:
  PackingContract contract_ = echo_executable(PackingForm::B).metadata.packing;
};

TEST(PackRunnerFailures, memory_that_a_batch_cannot_have_is_its_requests_answer) {
  const auto executor = std::make_shared<Thrower>();
  PackRunnerConfig config;
  config.batch_time = BatchTime::Modelled;
  const auto runner = PackRunner::create(executor, config);
  ASSERT_TRUE(runner.ok()) << runner.error().message;
  for (const Throws where : {Throws::InStart, Throws::InFinish, Throws::Never}) {
    executor->throws = where;
    auto taken = (*runner)->submit(Request{}, {});
    ASSERT_TRUE(taken.ok()) << taken.error().message;
    (*runner)->flush();
    const Expected<Answer> answer = taken->answer.get();
    EXPECT_EQ(answer.ok(), where == Throws::Never);
    if (!answer.ok()) {
      EXPECT_EQ(answer.error().type, kNoHostMemory);
    }
  }
  (*runner)->close();
}

TEST(PackRunnerFailures, what_a_callback_throws_is_lost) {
  const auto executor = std::make_shared<Thrower>();
  PackRunnerConfig config;
  config.batch_time = BatchTime::Modelled;
  const auto runner = PackRunner::create(executor, config);
  ASSERT_TRUE(runner.ok());
  ASSERT_TRUE((*runner)->submit(Request{}, {}, [](Expected<Answer>) { throw 7; }).ok());
  (*runner)->drain();
  EXPECT_TRUE((*runner)->submit(Request{}, {}, [](Expected<Answer>) {}).ok());
  (*runner)->close();
}

}  // namespace
}  // namespace tessera
