// SPDX-License-Identifier: Apache-2.0
// Memory that cannot be had, where a PackRunner is at work: the requests that it struck are
// answered with that, and the runner serves on.
#include <gtest/gtest.h>

#include <new>

#include "packing/pack.h"
#include "serving/batch_executor.h"
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

// More requests may come than it has lengths.
TEST(PackRunnerFailures, lengths_where_nothing_is_unpacked_are_refused) {
  Executable executable = tiny_executable(R"(program odd {
  target test
  input ids: i32[2,4] = by [2,4] at 0
  input info: i32[1,1] = by [1,1] at 0
  output y: i32[2,4] = by [2,4] at 0
  inputs ids info
  outputs y
  step s {
    copy on [1] at 0 perm=[0,1] step=[1,1]
    read ids [*, *]
    write y [*, *]
  }
}
)");
  executable.metadata.packing = {PackingForm::None, 2, 4, 1, 4, {"ids"}, "ids", "", "", "info", {}};
  auto model = ModelRunner::create(std::make_shared<const Executable>(std::move(executable)),
                                   {.threads = 1, .jit = shared_jit()});
  ASSERT_TRUE(model.ok()) << model.error().message;
  const auto runner = PackRunner::create(std::shared_ptr<ModelRunner>(model.take()), {});
  ASSERT_FALSE(runner.ok());
  EXPECT_EQ(runner.error().message,
            "packing: nothing says what input info carries, must be tokens, mask, positions or "
            "unpack_info");
}

}  // namespace
}  // namespace tessera
