// SPDX-License-Identifier: Apache-2.0
#include "executor/jit_thread.h"

#include <llvm/Support/ErrorHandling.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>

#include "support/guard.h"

namespace tessera {

// The memory that a failing thread writes is here before it fails: it cannot allocate any more.
struct JitThread::Call {
  std::function<Status()> work;
  std::mutex mutex;
  std::condition_variable came;
  bool ended = false, lost = false;
  Status result;
  char reason[512] = "";  // of a fatal error

  // False if it was lost. After LLVM's failure elsewhere it may wait for one of LLVM's locks, for
  // ever: then it is lost too.
  bool wait_for_end() {
    constexpr int kPatience = 30;  // seconds
    std::unique_lock lock(mutex);
    for (int waited = 0; waited < kPatience; waited += llvm_failed())
      if (came.wait_for(lock, std::chrono::seconds(1), [&] { return ended; })) return !lost;
    return false;
  }

  void end(Status status) {
    const std::lock_guard lock(mutex);
    result = std::move(status);
    ended = true;
    came.notify_one();
  }
};

namespace {

std::atomic<bool> failed = false;
thread_local JitThread::Call* current = nullptr;
std::new_handler handler_before = nullptr;

// Does not return, and does not touch what LLVM has on the stack.
[[noreturn]] void lose_this_thread(const char* reason) {
  JitThread::Call& call = *current;
  current = nullptr;
  failed = true;
  {
    const std::lock_guard lock(call.mutex);
    if (reason != nullptr) std::strncpy(call.reason, reason, sizeof call.reason - 1);
    call.ended = call.lost = true;
    call.came.notify_one();
  }
  for (;;) ::pause();
}

void say(const char* text) {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text, std::strlen(text));
}

// As operator new asks: returns only if there is memory now.
void on_no_memory() {
  if (current != nullptr) lose_this_thread(nullptr);
  if (handler_before == nullptr) throw std::bad_alloc();
  handler_before();
}

void on_llvm_no_memory(void*, const char*, bool) {
  if (current != nullptr) lose_this_thread(nullptr);
  say("tessera: LLVM cannot have the memory that it needs, and ends this process\n");
  std::abort();
}

// LLVM ends the process where this returns.
void on_llvm_error(void*, const char* reason, bool) {
  if (current != nullptr) lose_this_thread(reason);
  say("tessera: LLVM ends this process: ");
  say(reason);
  say("\n");
}

// Sets the handlers of the whole process, once. Other users of LLVM in it see no difference.
void take_failures() {
  static const bool done = [] {
    handler_before = std::set_new_handler(on_no_memory);
    llvm::install_bad_alloc_error_handler(on_llvm_no_memory);
    llvm::install_fatal_error_handler(on_llvm_error);
    return true;
  }();
  static_cast<void>(done);
}

Error lost_error(const JitThread::Call& call) {
  if (call.reason[0] == '\0') return no_host_memory("jit: LLVM");
  return Error{std::string("jit: LLVM: ") + call.reason};
}

}  // namespace

JitThread::JitThread(std::function<Status()> work) : call_(std::make_shared<Call>()) {
  take_failures();
  call_->work = std::move(work);
  auto started = start_thread("jit", [call = call_] {
    current = call.get();
    Status status = guarded("jit", call->work);
    current = nullptr;
    call->end(std::move(status));
  });
  if (started) thread_ = started.take();
  if (!started) call_->result = std::move(started.error());
}

JitThread::~JitThread() {
  if (call_) static_cast<void>(wait());
}

Status JitThread::wait() {
  const std::shared_ptr<Call> call = std::exchange(call_, nullptr);
  if (!started()) return std::move(call->result);
  if (!call->wait_for_end()) {
    thread_.detach();
    return lost_error(*call);
  }
  thread_.join();
  return std::move(call->result);
}

Status run_llvm(std::function<Status()> work) { return JitThread(std::move(work)).wait(); }

bool llvm_failed() { return failed; }

}  // namespace tessera
