// SPDX-License-Identifier: Apache-2.0
// Threads for LLVM, which is built without exceptions: where it cannot have memory, or meets what
// it calls a fatal error, it would end the process, and nothing may unwind through it. On a thread
// of this kind it does neither. The thread says why and stays where it is for good, with all that
// it holds, and whoever waits for it gets an error. LLVM's locks may be held then, so this process
// runs nothing of LLVM again; everything else of it goes on.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "support/expected.h"

namespace tessera {

class JitThread {
 public:
  // `work` owns what it uses, or uses what is never freed once llvm_failed(). Where the system has
  // no thread left, nothing is done, and wait() says so.
  explicit JitThread(std::function<Status()> work);
  bool started() const { return thread_.joinable(); }
  ~JitThread();  // waits
  JitThread(JitThread&&) noexcept = default;
  // The work's own error, or that of LLVM.
  Status wait();

  struct Call;

 private:
  std::shared_ptr<Call> call_;  // shared with the thread
  std::thread thread_;
};

// JitThread(work).wait()
Status run_llvm(std::function<Status()> work);
// Whether a thread of this kind was lost: what LLVM made must not be touched then, not even freed.
bool llvm_failed();

}  // namespace tessera
