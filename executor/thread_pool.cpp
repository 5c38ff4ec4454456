// SPDX-License-Identifier: Apache-2.0
#include "executor/thread_pool.h"

#include "support/check.h"
#include "support/float_mode.h"
#include "support/guard.h"

namespace tessera {
namespace {

// Some 100 microseconds: longer than small steps and the gaps between them, far below a time slice.
constexpr int kSpins = 5000;

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

// Until the value is another than `old`.
void wait_for_change(const std::atomic<uint32_t>& value, uint32_t old) {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    relax();
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  CHECK(threads >= 1);
  workers_.reserve(static_cast<size_t>(threads) - 1);
  for (int i = 1; i < threads; ++i) {
    auto started = start_thread("thread pool", [this, i] { worker(i); });
    if (!started) return;
    workers_.push_back(started.take());
  }
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_on_all(Call call, const void* work) {
  if (workers_.empty()) return call(work, 0);
  call_ = call;
  work_ = work;
  busy_.store(static_cast<uint32_t>(workers_.size()), std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  call(work, 0);
  while (uint32_t busy = busy_.load(std::memory_order_acquire)) wait_for_change(busy_, busy);
}

void ThreadPool::worker(int thread) {
  const KernelFloatMode mode;
  for (uint32_t seen = 0;; ++seen) {
    wait_for_change(round_, seen);
    if (stop_) return;
    call_(work_, thread);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

}  // namespace tessera
