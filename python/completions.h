// SPDX-License-Identifier: Apache-2.0
// Requests that a runner's thread has finished, on their way to Python. Runners' threads never take
// the interpreter lock: they leave what they finished here, and one Python thread
// (tessera/futures.py) takes all that came at once and completes its futures.
#pragma once

#include <pybind11/pybind11.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "executor/host_arrays.h"
#include "support/expected.h"

namespace tessera::python {

namespace py = pybind11;

// A request in flight: made and destroyed with the interpreter lock held, finished without it.
struct InFlight {
  py::object future;                   // tessera.futures.Future
  py::object owner;                    // the runner, which must outlive it
  std::vector<py::object> keep;        // the caller's arrays
  std::function<py::object()> result;  // called with the lock, if `status` is ok
  Status status;
  std::vector<NotFinite> not_finite;  // in the answer
  std::unique_ptr<InFlight> next;     // in the queue of what is finished
};

class Completions {
 public:
  static Completions& instance();

  // Thread-safe, needs no interpreter lock and no memory.
  void push(std::unique_ptr<InFlight> finished);
  // Waits until something was finished; empty once stop() was called and all is taken.
  std::vector<std::unique_ptr<InFlight>> take();
  void stop();
  // In a forked child: a new instance, for the old one's lock may be held by a thread that is not
  // there. The calls in flight stay the parent's.
  static void forget();

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::unique_ptr<InFlight> first_;  // finished ones, in their order
  InFlight* last_ = nullptr;
  bool stopped_ = false;
};

// Counts the forks on the way from the first process to this one. An object with threads works in
// the process that made it and no other.
int fork_generation();

}  // namespace tessera::python
