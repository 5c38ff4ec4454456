// SPDX-License-Identifier: Apache-2.0
// Work without the interpreter lock.
#pragma once

#include <pybind11/pybind11.h>

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace tessera::python {

namespace py = pybind11;

// Calls in progress, so that the process does not end under one: a daemon thread goes on in C++
// while the main thread leaves, and what static destructors free is still in use.
//
// Begins a call; raises tessera.Error once the interpreter is on its way out. Needs the lock.
void begin_native_call();
void end_native_call();  // needs no lock
// Refuses new calls and waits for those in progress. For the end of the interpreter.
void finish_native_calls();

// Runs `work` with the interpreter lock released and gives back its result. The lock is taken again
// by a plain call, not in a destructor as pybind11 does it: in a daemon thread at interpreter exit
// that call ends the thread by unwinding, which no destructor may let through.
template <class Work>
auto without_gil(Work&& work) {
  begin_native_call();
  PyThreadState* state = PyEval_SaveThread();
  std::optional<std::invoke_result_t<Work>> result;
  std::exception_ptr thrown;  // kept until the lock is held again, which whoever catches it needs
  try {
    result.emplace(work());
  } catch (...) {
    thrown = std::current_exception();
  }
  end_native_call();
  PyEval_RestoreThread(state);
  if (thrown) std::rethrow_exception(thrown);
  return std::move(*result);
}

}  // namespace tessera::python
