// SPDX-License-Identifier: Apache-2.0
// What LLVM would end the process for: an error, after which the process does all but compile. Each
// test is a process of its own, because a lost thread is lost for good.
#include "executor/jit_thread.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <new>

#include "executor/jit.h"
#include "support/guard.h"

namespace tessera {
namespace {

// The standard operator new ends this way without memory. This program replaces operator new.
void find_no_memory() { std::get_new_handler()(); }
// As LLVM does it: nothing can unwind through this.
void llvm_finds_no_memory() noexcept { find_no_memory(); }

[[noreturn]] void lose_a_thread() {
  const Status lost = run_llvm([] {
    llvm_finds_no_memory();
    return Status();
  });
  const bool said = !lost.ok() && lost.error().type == kNoHostMemory && llvm_failed();
  const auto again = Jit::create();
  const bool refused =
      !again.ok() && again.error().message.find("must be started again") != std::string::npos;
  _exit(said && refused ? 0 : 1);
}

TEST(JitThreadDeathTest, memory_that_llvm_cannot_have_is_an_error_and_the_process_goes_on) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(lose_a_thread(), ::testing::ExitedWithCode(0), "");
}

TEST(JitThread, gives_back_what_the_work_says) {
  EXPECT_TRUE(run_llvm([] { return Status(); }).ok());
  EXPECT_EQ(run_llvm([] { return Status(Error{"no"}); }).error().message, "no");
}

TEST(JitThread, memory_that_others_cannot_have_is_an_exception_as_ever) {
  ASSERT_TRUE(run_llvm([] { return Status(); }).ok());  // the handlers are there now
  const auto take = []() -> Status {
    find_no_memory();
    return {};
  };
  EXPECT_EQ(guarded("here", take).error().type, kNoHostMemory);
  EXPECT_FALSE(llvm_failed());
}

}  // namespace
}  // namespace tessera
