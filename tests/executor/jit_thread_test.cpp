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

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryEnds = false;
#else
constexpr bool kMemoryEnds = true;
#endif

// As LLVM asks for memory: by operator new, in a function that nothing can unwind through.
void take_too_much() noexcept {
  void* volatile taken = ::operator new(size_t{1} << 60);
  ::operator delete(taken);
}

[[noreturn]] void lose_a_thread() {
  const Status lost = run_llvm([] {
    take_too_much();
    return Status();
  });
  const bool said = !lost.ok() && lost.error().type == kNoHostMemory && llvm_failed();
  const auto again = Jit::create();
  const bool refused =
      !again.ok() && again.error().message.find("must be started again") != std::string::npos;
  _exit(said && refused ? 0 : 1);
}

TEST(JitThreadDeathTest, memory_that_llvm_cannot_have_is_an_error_and_the_process_goes_on) {
  if (!kMemoryEnds) GTEST_SKIP() << "a sanitizer ends the process where memory ends";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(lose_a_thread(), ::testing::ExitedWithCode(0), "");
}

TEST(JitThread, gives_back_what_the_work_says) {
  EXPECT_TRUE(run_llvm([] { return Status(); }).ok());
  EXPECT_EQ(run_llvm([] { return Status(Error{"no"}); }).error().message, "no");
}

TEST(JitThread, memory_that_others_cannot_have_is_an_exception_as_ever) {
  if (!kMemoryEnds) GTEST_SKIP() << "a sanitizer ends the process where memory ends";
  ASSERT_TRUE(run_llvm([] { return Status(); }).ok());  // the handlers are there now
  const auto take = []() -> Status {
    void* volatile taken = ::operator new(size_t{1} << 60);
    ::operator delete(taken);
    return {};
  };
  EXPECT_EQ(guarded("here", take).error().type, kNoHostMemory);
  EXPECT_FALSE(llvm_failed());
}

}  // namespace
}  // namespace tessera
