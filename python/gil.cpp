// SPDX-License-Identifier: Apache-2.0
#include "python/gil.h"

#include <pthread.h>

#include <condition_variable>
#include <mutex>

#include "python/errors.h"

namespace tessera::python {
namespace {

struct Calls {
  std::mutex mutex;
  std::condition_variable ended;
  int in_progress = 0;
  bool refused = false;
};

// Never freed, for threads may outlive what frees it; new in a forked child, where no call is in
// progress and the old one's lock may be held by a thread that is not there.
Calls* calls = [] {
  pthread_atfork(nullptr, nullptr, [] { calls = new Calls; });
  return new Calls;
}();

}  // namespace

void begin_native_call() {
  const std::lock_guard lock(calls->mutex);
  if (calls->refused) raise(Error{"tessera: the interpreter is ending, must be running"});
  ++calls->in_progress;
}

void end_native_call() {
  const std::lock_guard lock(calls->mutex);
  if (--calls->in_progress == 0) calls->ended.notify_all();
}

void finish_native_calls() {
  PyThreadState* state = PyEval_SaveThread();
  {
    std::unique_lock lock(calls->mutex);
    calls->refused = true;
    calls->ended.wait(lock, [] { return calls->in_progress == 0; });
  }
  PyEval_RestoreThread(state);
}

}  // namespace tessera::python
