// SPDX-License-Identifier: Apache-2.0
// Our errors as Python's: each kind is a class of tessera.errors, the message is the command
// line's.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <utility>
#include <vector>

#include "executor/host_arrays.h"
#include "support/expected.h"

namespace tessera::python {

namespace py = pybind11;

// The exception object for an error. Needs the interpreter lock, as everything here.
py::object to_exception(const Error& error);
[[noreturn]] void raise(const Error& error);
// For this module: what C++ throws is a tessera.Error, or where memory cannot be had a
// tessera.HostMemoryError.
void translate_exceptions();
[[noreturn]] void raise_object(const py::object& exception);

// To the logger "tessera", through the filter of support/plain_text.h.
void warn(const std::string& line);
// Says once in a process why there is no cache of compiled codelets; nothing where `problem` is "".
void warn_of_cache(const std::string& problem);

// The text of a tessera.NotFiniteWarning, by output.
py::list words_of(const std::vector<NotFinite>& found);
// One warning each, where Python called from; an exception where the caller has made it one.
// `whose`: "" or "request 3: ".
void warn_not_finite(const std::vector<NotFinite>& found, const std::string& whose = "");

template <class T>
T value_of(Expected<T> expected) {
  if (!expected.ok()) raise(expected.error());
  return expected.take();
}
inline void check(const Status& status) {
  if (!status.ok()) raise(status.error());
}

}  // namespace tessera::python
