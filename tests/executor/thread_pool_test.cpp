// SPDX-License-Identifier: Apache-2.0
#include "executor/thread_pool.h"

#include <gtest/gtest.h>

#include <chrono>

namespace tessera {
namespace {

class ThreadPoolTest : public ::testing::TestWithParam<int> {};

TEST_P(ThreadPoolTest, every_thread_runs_the_work_once_before_run_returns) {
  ThreadPool pool(GetParam());
  ASSERT_EQ(pool.size(), GetParam());
  for (int round = 0; round < 2000; ++round) {
    std::vector<int> calls(static_cast<size_t>(GetParam()));
    pool.run([&](int thread) { ++calls[static_cast<size_t>(thread)]; });
    ASSERT_EQ(calls, std::vector<int>(static_cast<size_t>(GetParam()), 1)) << "round " << round;
  }
}

TEST_P(ThreadPoolTest, workers_that_fell_asleep_wake_for_the_next_work) {
  ThreadPool pool(GetParam());
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::atomic<int> calls{0};
    pool.run([&](int) { ++calls; });
    ASSERT_EQ(calls, GetParam());
  }
}

TEST_P(ThreadPoolTest, run_waits_for_the_slowest) {
  ThreadPool pool(GetParam());
  std::atomic<int> done{0};
  pool.run([&](int thread) {
    if (thread == GetParam() - 1) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ++done;
  });
  EXPECT_EQ(done, GetParam());
}

TEST_P(ThreadPoolTest, a_pool_that_never_worked_ends) { const ThreadPool pool(GetParam()); }

INSTANTIATE_TEST_SUITE_P(, ThreadPoolTest, ::testing::Values(1, 2, 5),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace tessera
