// SPDX-License-Identifier: Apache-2.0
// Work without the interpreter lock.
#pragma once

#include <pybind11/pybind11.h>

namespace tessera::python {

namespace py = pybind11;

// Runs `work` with the interpreter lock released and gives back its result. The lock is taken again
// by a plain call, not in a destructor as pybind11 does it: in a daemon thread at interpreter exit
// that call ends the thread by unwinding, which no destructor may let through.
template <class Work>
auto without_gil(Work&& work) {
  PyThreadState* state = PyEval_SaveThread();
  auto result = work();
  PyEval_RestoreThread(state);
  return result;
}

}  // namespace tessera::python
