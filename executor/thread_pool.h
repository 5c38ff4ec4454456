// SPDX-License-Identifier: Apache-2.0
// Host threads that stay: a program has hundreds of supersteps a batch, too short to start threads
// for. The caller is one of them. Between two pieces of work they spin for a moment, because the
// next superstep mostly follows at once, and then sleep. They are in the kernels' float mode.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace tessera {

class ThreadPool {
 public:
  // Starts `threads` - 1 threads (threads >= 1), or as many as the system has left: see size().
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls work(thread) once on every thread, thread in 0 .. size-1 (0 is the caller), and returns
  // when all have returned. One caller at a time; allocates nothing.
  template <class Work>
  void run(const Work& work) {
    run_on_all([](const void* w, int thread) { (*static_cast<const Work*>(w))(thread); }, &work);
  }

 private:
  using Call = void (*)(const void* work, int thread);
  void run_on_all(Call call, const void* work);
  void worker(int thread);

  std::vector<std::thread> workers_;
  Call call_ = nullptr;
  const void* work_ = nullptr;
  std::atomic<uint32_t> round_{0};  // counts up when there is work
  std::atomic<uint32_t> busy_{0};   // workers that have not finished this round
  std::atomic<bool> stop_{false};
};

}  // namespace tessera
