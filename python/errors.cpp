// SPDX-License-Identifier: Apache-2.0
#include "python/errors.h"

#include "support/guard.h"

namespace tessera::python {
namespace {

const char* class_of(const Error& error) {
  if (error.type == kNoHostMemory) return "HostMemoryError";
  switch (error.kind) {
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
  // Paths may hold bytes that are not UTF-8.
  const auto message = py::reinterpret_steal<py::object>(PyUnicode_DecodeUTF8(
      error.message.data(), static_cast<Py_ssize_t>(error.message.size()), "backslashreplace"));
  if (!message) throw py::error_already_set();
  py::object exception = py::module_::import("tessera.errors").attr(class_of(error))(message);
  if (!error.type.empty()) exception.attr("reason") = std::string(error.type);
  return exception;
}

void raise_object(const py::object& exception) {
  PyErr_SetObject(py::type::of(exception).ptr(), exception.ptr());
  throw py::error_already_set();
}

void translate_exceptions() {
  py::register_local_exception_translator([](std::exception_ptr thrown) {
    if (!thrown) return;
    try {
      std::rethrow_exception(thrown);
    } catch (const py::error_already_set&) {
      throw;  // Python's own, and what pybind11 makes of a wrong argument
    } catch (const py::builtin_exception&) {
      throw;
    } catch (...) {
      const py::object exception = to_exception(error_of_exception("tessera"));
      PyErr_SetObject(py::type::of(exception).ptr(), exception.ptr());
    }
  });
}

void raise(const Error& error) { raise_object(to_exception(error)); }

}  // namespace tessera::python
