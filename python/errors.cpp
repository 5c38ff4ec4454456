// SPDX-License-Identifier: Apache-2.0
#include "python/errors.h"

#include "support/plain_text.h"

namespace tessera::python {
namespace {

const char* class_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Failed: return "Error";
    case ErrorKind::Usage: return "UsageError";
    case ErrorKind::Refused: return "RefusedError";
    case ErrorKind::OutOfMemory: return "OutOfMemoryError";
    case ErrorKind::BadFile: return "BadFileError";
  }
  return "Error";
}

}  // namespace

py::object to_exception(const Error& error) {
  py::object exception =
      py::module_::import("tessera.errors").attr(class_of(error.kind))(visible(error.message));
  if (!error.type.empty()) exception.attr("reason") = std::string(error.type);
  return exception;
}

void raise_object(const py::object& exception) {
  PyErr_SetObject(py::type::of(exception).ptr(), exception.ptr());
  throw py::error_already_set();
}

void raise(const Error& error) { raise_object(to_exception(error)); }

}  // namespace tessera::python
