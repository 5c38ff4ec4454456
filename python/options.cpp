// SPDX-License-Identifier: Apache-2.0
#include "python/options.h"

#include <algorithm>
#include <utility>

#include "compiler/option_rows.h"
#include "compiler/option_text.h"
#include "python/errors.h"
#include "python/executable.h"
#include "support/file_names.h"
#include "support/nearest.h"

namespace tessera::python {
namespace {

[[noreturn]] void refuse(const std::string& what) { raise(Error{what, ErrorKind::Usage}); }

std::string type_name(const py::handle& value) {
  return py::str(py::type::of(value).attr("__name__"));
}

std::string text(const std::string& name, const py::handle& value) {
  if (!PyUnicode_Check(value.ptr()))
    refuse(name + ": is a " + type_name(value) + ", must be a str");
  return py::cast<std::string>(value);
}

bool truth(const std::string& where, const py::handle& value) {
  if (!PyBool_Check(value.ptr()))
    refuse(where + ": is a " + type_name(value) + ", must be True or False");
  return value.ptr() == Py_True;
}

py::object whole_number(const std::string& where, const py::handle& value) {
  py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
  if (index) return index;
  PyErr_Clear();
  refuse(where + ": is a " + type_name(value) + ", must be a whole number");
}

std::string number_word(const std::string& where, const py::handle& value) {
  return py::str(whole_number(where, value));
}

int64_t whole_number_from(int64_t least, const std::string& where, const py::handle& value,
                          const char* must) {
  const py::object index = whole_number(where, value);
  const int64_t number = PyLong_AsLongLong(index.ptr());
  const bool too_large = PyErr_Occurred() != nullptr;
  PyErr_Clear();
  if (too_large || number < least)
    refuse(where + ": '" + std::string(py::str(index)) + "', must be " + must);
  return number;
}

int64_t positive(const std::string& where, const py::handle& value) {
  return whole_number_from(1, where, value, "a positive whole number");
}

int64_t not_negative(const std::string& where, const py::handle& value) {
  return whole_number_from(0, where, value, "a whole number of at least 0");
}

// {"ids": (2, 3)} as "ids=2,3".
OptionWords shape_words(const std::string& option, const py::handle& value) {
  if (!PyDict_Check(value.ptr()))
    refuse(option + ": is a " + type_name(value) + ", must be a dict of shapes by input name");
  OptionWords words;
  for (const auto& [key, dims] : py::reinterpret_borrow<py::dict>(value)) {
    const std::string name = text(option, key);
    std::string word = name_in_word(name) + "=";
    for (const py::handle& dim : py::iter(dims))
      word += number_word(option + " " + name, dim) + ",";
    words.push_back(word);
  }
  return words;
}

InputShapes shapes_by_name(const char* option, const py::handle& value) {
  InputShapes shapes;
  check(parse_option(option, shape_words(option, value), shapes));
  return shapes;
}

// "a,b", or a sequence of names.
OptionWords name_words(const std::string& option, const py::handle& value) {
  if (PyUnicode_Check(value.ptr())) return {py::cast<std::string>(value)};
  OptionWords words;
  for (const py::handle& part : py::iter(value)) words.push_back(text(option, part));
  return words;
}

// A str is one of PopRT's "13+51", which the option's own parser refuses with the way out.
std::string field_word(const std::string& where, const py::handle& value) {
  if (PyUnicode_Check(value.ptr())) {
    const std::string parts = text(where, value);
    if (parts.find('+') != std::string::npos) return parts;
  }
  return number_word(where, value);
}

OptionWords field_words(const std::string& option, const py::handle& value) {
  if (!PyDict_Check(value.ptr()))
    refuse(option + ": is a " + type_name(value) + ", must be a dict of numbers by name");
  OptionWords words;
  for (const auto& [key, number] : py::reinterpret_borrow<py::dict>(value)) {
    const std::string name = text(option, key);
    words.push_back(name + "=" + field_word(option + " " + name, number));
  }
  return words;
}

std::string real_word(const std::string& option, const py::handle& value) {
  if (!PyFloat_Check(value.ptr()) && !PyLong_Check(value.ptr()))
    refuse(option + ": is a " + type_name(value) + ", must be a number");
  return py::repr(py::float_(py::reinterpret_borrow<py::object>(value)));
}

// The words that the command line would be given for the same.
OptionWords words_of(OptionKind kind, const std::string& name, const py::handle& value) {
  switch (kind) {
    case OptionKind::Truth: return {truth(name, value) ? "true" : "false"};
    case OptionKind::Whole: return {number_word(name, value)};
    case OptionKind::Real: return {real_word(name, value)};
    case OptionKind::Word: return {text(name, value)};
    case OptionKind::Names:
    case OptionKind::Target: return name_words(name, value);
    case OptionKind::Shapes: return shape_words(name, value);
    case OptionKind::Fields: return field_words(name, value);
  }
  return {};
}

std::string runner_word(RunnerOptionKind kind, const std::string& name, const py::handle& value) {
  switch (kind) {
    case RunnerOptionKind::Truth: return truth(name, value) ? "true" : "false";
    case RunnerOptionKind::Whole: return number_word(name, value);
    case RunnerOptionKind::Seconds: return real_word(name, value);
    case RunnerOptionKind::Word: return text(name, value);
  }
  return "";
}

void set_row(const OptionRow& row, CompileOptions& options, const py::handle& value) {
  // No packing is spelled None.
  if (row.kind == OptionKind::Fields && value.is_none()) return;
  check(row.parse(words_of(row.kind, std::string(row.name), value), options));
}

void set_compiler_options(CompileOptions& options, const py::handle& value) {
  if (!PyDict_Check(value.ptr()))
    refuse("compiler_options: is a " + type_name(value) + ", must be a dict of options by name");
  for (const auto& [key, inner] : py::reinterpret_borrow<py::dict>(value))
    set_row(*value_of(find_compiler_option(text("compiler_options", key))), options, inner);
}

// One path, or a list of them.
std::vector<std::string> folders_of(const py::handle& value) {
  if (!PyList_Check(value.ptr()) && !PyTuple_Check(value.ptr()))
    return {path_of(value, "trust_folder")};
  std::vector<std::string> folders;
  for (const py::handle& folder : py::iter(value))
    folders.push_back(path_of(folder, "trust_folder"));
  return folders;
}

bool set_compile_option(CompileOptions& options, const std::string& name, const py::handle& value) {
  const OptionRow* row = find_option(name);
  if (row) set_row(*row, options, value);
  if (name == "compiler_options") set_compiler_options(options, value);
  if (name == "limits") {
    const std::vector<std::string> trusted = std::move(options.limits.trusted_folders);
    options.limits = limits_of(value);
    options.limits.trusted_folders = trusted;
  }
  if (name == "trust_folder") options.limits.trusted_folders = folders_of(value);
  return row || name == "compiler_options" || name == "limits" || name == "trust_folder";
}

std::vector<std::string> compile_option_names() {
  std::vector<std::string> names = {"compiler_options", "limits", "trust_folder"};
  for (const OptionRow& row : option_rows()) names.emplace_back(row.name);
  return names;
}

void set_warm_up(SessionOptions& options, const py::handle& value) {
  if (!PyList_Check(value.ptr()) && !PyTuple_Check(value.ptr()))
    refuse("warm_up: is a " + type_name(value) +
           ", must be a list of dicts of shapes by input name");
  for (const py::handle& shapes : py::iter(value))
    options.warm_up.push_back(shapes_by_name("warm_up", shapes));
}

void set_on_recompile(SessionOptions& options, const py::handle& value) {
  const std::string word = text("on_recompile", value);
  auto policy = parse_on_recompile(word);
  if (!policy.ok()) refuse("on_recompile: '" + word + "', must be " + list_of_words<OnRecompile>());
  options.on_recompile = *policy;
}

struct SessionOption {
  const char* name;
  void (*set)(SessionOptions&, const py::handle&);
};

constexpr SessionOption kSessionOptions[] = {
    {"on_recompile", set_on_recompile},
    {"recompile_limit",
     [](SessionOptions& o, const py::handle& v) {
       o.recompile_limit = not_negative("recompile_limit", v);
     }},
    {"warm_up", set_warm_up},
    {"background",
     [](SessionOptions& o, const py::handle& v) { o.background = truth("background", v); }},
    {"cache_dir",
     [](SessionOptions& o, const py::handle& v) { o.cache_dir = path_of(v, "cache_dir"); }},
    {"cache_limit_bytes",
     [](SessionOptions& o, const py::handle& v) {
       o.cache_limit_bytes = not_negative("cache_limit_bytes", v);
     }},
    {"memory_entries",
     [](SessionOptions& o, const py::handle& v) {
       o.memory_entries = static_cast<size_t>(positive("memory_entries", v));
     }},
    {"memory_bytes",
     [](SessionOptions& o, const py::handle& v) { o.memory_bytes = positive("memory_bytes", v); }},
    {"call_site",
     [](SessionOptions& o, const py::handle& v) { o.call_site = text("call_site", v); }},
};

bool set_session_option(SessionOptions& options, const std::string& name, const py::handle& value) {
  for (const SessionOption& option : kSessionOptions) {
    if (name != option.name) continue;
    option.set(options, value);
    return true;
  }
  return false;
}

[[noreturn]] void refuse_name(const std::string& name, const std::vector<std::string>& known) {
  refuse("'" + name + "' is not an option; did you mean '" + nearest_name(name, known) + "'?");
}

}  // namespace

CompileOptions compile_options(const py::dict& options) {
  CompileOptions result;
  for (const auto& [key, value] : options) {
    const std::string name = text("option", key);
    if (!set_compile_option(result, name, value)) refuse_name(name, compile_option_names());
  }
  check(check_options(result));
  return result;
}

SessionOptions session_options(const py::dict& options) {
  SessionOptions result;
  result.cache_dir = default_executable_cache();
  for (const auto& [key, value] : options) {
    const std::string name = text("option", key);
    if (set_session_option(result, name, value) || set_compile_option(result.compile, name, value))
      continue;
    std::vector<std::string> known = compile_option_names();
    for (const SessionOption& option : kSessionOptions) known.emplace_back(option.name);
    refuse_name(name, known);
  }
  check(check_options(result.compile));
  if (result.background && result.on_recompile != OnRecompile::Pad)
    refuse("background: needs on_recompile='pad'");
  return result;
}

RunnerOptions runner_options(const py::dict& options, RunnerOptions usual) {
  RunnerOptions result = std::move(usual);
  for (const auto& [key, value] : options) {
    const std::string name = text("option", key);
    const RunnerOptionRow* row = find_runner_option(name);
    if (!row) {
      std::vector<std::string> known;
      for (const RunnerOptionRow& other : tessera::runner_option_rows())
        known.emplace_back(other.name);
      refuse_name(name, known);
    }
    check(row->parse(runner_word(row->kind, name, value), result));
  }
  return result;
}

py::list runner_option_rows() {
  py::list rows;
  for (const RunnerOptionRow& row : tessera::runner_option_rows())
    rows.append(py::make_tuple(std::string(row.name), std::string(to_string(row.kind)), row.usual,
                               std::string(row.help)));
  return rows;
}

py::list compile_option_rows() {
  py::list rows;
  for (const OptionRow& row : option_rows()) {
    py::list choices;
    for (const std::string& word : row.choices) choices.append(word);
    rows.append(py::make_tuple(std::string(row.name), std::string(to_string(row.kind)), row.usual,
                               std::string(row.converter), std::string(row.compiler),
                               std::string(row.help), py::tuple(choices)));
  }
  return rows;
}

Limits limits_of(const py::handle& value) {
  if (value.is_none()) return {};
  if (!PyDict_Check(value.ptr()))
    refuse("limits: is a " + type_name(value) + ", must be a dict of limits by name");
  std::vector<std::string> words;
  for (const auto& [key, limit] : py::reinterpret_borrow<py::dict>(value)) {
    const std::string name = text("limits", key);
    const bool in_words = PyUnicode_Check(limit.ptr());
    words.push_back(
        name + "=" +
        (in_words ? text("limits", limit) : std::to_string(positive("limits " + name, limit))));
  }
  return value_of(parse_limits(words, "limits"));
}

std::optional<PublicKey> required_key(const py::handle& key) {
  if (key.is_none()) return {};
  Expected<PublicKey> read = read_public_key(path_of(key, "require_signature"));
  if (read.ok()) return read.take();
  refuse("require_signature: " + read.error().message);
}

MachineOptions machine_options(int threads, bool isolated, const Limits& limits) {
  if (threads < 0)
    refuse("threads: " + std::to_string(threads) + ", must be 0 (one per core) or more");
  MachineOptions options;
  options.threads = threads;
  options.kind = isolated ? MachineKind::Isolated : MachineKind::Direct;
  options.limits = limits;
  return options;
}

}  // namespace tessera::python
