// SPDX-License-Identifier: Apache-2.0
#include "python/errors.h"

#include <regex>
#include <utility>

#include "serving/rejection.h"
#include "support/file.h"
#include "support/guard.h"
#include "support/plain_text.h"

namespace tessera::python {
namespace {

const char* class_of(const Error& error) {
  if (error.type == kNoHostMemory) return "HostMemoryError";
  if (error.type == kNoSuchFile) return "MissingFileError";
  if (error.type == rejection::kWrongDtype) return "DtypeError";
  for (const std::string_view type :
       {rejection::kWrongInput, rejection::kOutOfRange, rejection::kEmpty, rejection::kOverLong,
        rejection::kHoleInMask, rejection::kPaddingId, rejection::kNotPaddable})
    if (error.type == type) return "InputError";
  switch (error.kind) {
    case ErrorKind::Failed: return "Error";
    case ErrorKind::Usage: return "UsageError";
    case ErrorKind::Refused: return "RefusedError";
    case ErrorKind::OutOfMemory: return "OutOfMemoryError";
    case ErrorKind::BadFile: return "BadFileError";
  }
  return "Error";
}

// A flag of the command line is an argument here: "give --input_shape x=N,N" and
// "--rate: …". Commands that a message quotes stay as they are.
std::string with_arguments(const std::string& message) {
  if (message.find("tessera ") != std::string::npos) return message;
  constexpr size_t kMost = 4096;  // names in it may be of any length, and a regex recurses
  if (message.size() > kMost) return message;
  static const std::regex one(R"re(--input_shape (\S+?)=N(?![,N]))re"),
      shape(R"re(--input_shape (\S+?)=(N(?:,N)*))re"), flag(R"re((^|[\s'(])--([a-z][a-z0-9_]*))re");
  std::string text = std::regex_replace(message, one, "input_shape={'$1': (N,)}");
  text = std::regex_replace(text, shape, "input_shape={'$1': ($2)}");
  return std::regex_replace(text, flag, "$1$2");
}

// A limit is raised by an argument here, not by a flag.
std::string in_python(const Error& error) {
  constexpr std::string_view kFlag = "(--limit ";
  const size_t at = error.message.rfind(kFlag);
  const size_t equals = error.message.find('=', at);
  if (error.type != "limit" || at == std::string::npos || equals == std::string::npos)
    return with_arguments(error.message);
  const size_t name = at + kFlag.size();
  return error.message.substr(0, at) + "(limits={'" + error.message.substr(name, equals - name) +
         "': …} raises it)";
}

}  // namespace

py::object to_exception(const Error& error) {
  py::object exception =
      py::module_::import("tessera.errors").attr(class_of(error))(visible(in_python(error)));
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

void warn(const std::string& line) {
  py::module_::import("logging").attr("getLogger")("tessera").attr("warning")("%s", visible(line));
}

void warn_of_cache(const std::string& problem) {
  static bool told = false;  // under the interpreter lock
  if (!problem.empty() && !std::exchange(told, true))
    warn("no cache of compiled codelets: " + problem);
}

py::list words_of(const std::vector<NotFinite>& found) {
  py::list words;
  for (const NotFinite& one : found) words.append(visible(to_string(one)));
  return words;
}

void warn_not_finite(const std::vector<NotFinite>& found, const std::string& whose) {
  constexpr int kCallerOfOurPython = 2;
  if (found.empty()) return;
  const py::object category = py::module_::import("tessera.errors").attr("NotFiniteWarning");
  for (const NotFinite& one : found)
    if (PyErr_WarnEx(category.ptr(), visible(whose + to_string(one)).c_str(), kCallerOfOurPython))
      throw py::error_already_set();
}

void raise(const Error& error) { raise_object(to_exception(error)); }

}  // namespace tessera::python
