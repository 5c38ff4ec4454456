// SPDX-License-Identifier: Apache-2.0
// tessera.ModelRunner, and what every object with threads needs: it can be closed while others use
// it, and it knows the process that it was made in.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <mutex>
#include <string>

#include "executor/model_runner.h"
#include "python/completions.h"
#include "python/errors.h"

namespace tessera::python {

// Shared with calls in progress, so that close() takes it away from later ones only. After a fork
// the child's copy has no threads: it is refused, and never destroyed.
template <class T>
class Closable {
 public:
  Closable(std::shared_ptr<T> value, const char* what)
      : value_(std::move(value)), what_(what), generation_(fork_generation()) {}
  ~Closable() {
    if (generation_ != fork_generation()) new std::shared_ptr<T>(std::move(value_));
  }
  Closable(const Closable&) = delete;
  Closable& operator=(const Closable&) = delete;

  std::shared_ptr<T> get() const {
    if (generation_ != fork_generation())
      raise(Error{what_ + ": was made before this process was forked, must be made in the process "
                          "that uses it"});
    if (!value_) raise(Error{what_ + ": is closed, must be open"});
    return value_;
  }
  // The object inside, for the caller to end without the interpreter lock; null the second time.
  std::shared_ptr<T> take() {
    if (generation_ != fork_generation()) return nullptr;
    return std::exchange(value_, nullptr);
  }
  bool closed() const { return !value_; }

 private:
  std::shared_ptr<T> value_;  // guarded by the interpreter lock
  std::string what_;
  int generation_;
};

struct ModelRunnerHandle {
  ModelRunnerHandle(std::shared_ptr<ModelRunner> r, std::shared_ptr<const Executable> e)
      : runner(std::move(r), "model runner"), executable(std::move(e)) {}
  Closable<ModelRunner> runner;
  std::shared_ptr<const Executable> executable;
};

// Inputs in, outputs filled: what ModelRunner.run and Session.run share.
py::dict run_batch(std::shared_ptr<ModelRunner> runner, const py::object& inputs,
                   const py::object& outputs);

}  // namespace tessera::python
