// SPDX-License-Identifier: Apache-2.0
#include "python/options.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "compiler/target_text.h"
#include "python/errors.h"
#include "python/executable.h"
#include "support/nearest.h"

namespace tessera::python {
namespace {

[[noreturn]] void refuse(const std::string& what) { raise(Error{what, ErrorKind::Usage}); }

std::string type_name(const py::handle& value) {
  return py::str(py::type::of(value).attr("__name__"));
}

std::string text(const char* name, const py::handle& value) {
  if (!PyUnicode_Check(value.ptr()))
    refuse(std::string(name) + ": is a " + type_name(value) + ", must be a str");
  return py::cast<std::string>(value);
}

bool truth(const std::string& where, const py::handle& value) {
  if (!PyBool_Check(value.ptr()))
    refuse(where + ": is a " + type_name(value) + ", must be True or False");
  return value.ptr() == Py_True;
}

int64_t whole_number(const std::string& where, const py::handle& value, int64_t least,
                     const char* must) {
  const py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
  if (!index) {
    PyErr_Clear();
    refuse(where + ": is a " + type_name(value) + ", must be a whole number");
  }
  const int64_t number = PyLong_AsLongLong(index.ptr());
  const bool too_large = PyErr_Occurred() != nullptr;
  PyErr_Clear();
  if (too_large || number < least)
    refuse(where + ": '" + std::string(py::str(index)) + "', must be " + must);
  return number;
}

int64_t positive(const std::string& where, const py::handle& value) {
  return whole_number(where, value, 1, "a positive whole number");
}

int64_t not_negative(const std::string& where, const py::handle& value) {
  return whole_number(where, value, 0, "a whole number of at least 0");
}

InputShapes shapes_by_name(const char* option, const py::handle& value) {
  if (!PyDict_Check(value.ptr()))
    refuse(std::string(option) + ": is a " + type_name(value) +
           ", must be a dict of shapes by input name");
  InputShapes shapes;
  for (const auto& [key, dims] : py::reinterpret_borrow<py::dict>(value)) {
    const std::string name = text(option, key);
    Shape& shape = shapes[name];
    for (const py::handle& dim : py::iter(dims))
      shape.push_back(positive(std::string(option) + " " + name, dim));
    if (!is_valid_shape(shape))
      refuse(std::string(option) + " " + name + ": " + to_string(shape) + " is too large");
  }
  return shapes;
}

// "a,b", or a sequence of names.
std::vector<std::string> names(const char* name, const py::handle& value) {
  std::vector<std::string> all;
  if (PyUnicode_Check(value.ptr())) {
    for (const py::handle& part : value.attr("split")(","))
      if (py::len(part)) all.push_back(py::cast<std::string>(part));
    return all;
  }
  for (const py::handle& part : py::iter(value)) all.push_back(text(name, part));
  return all;
}

void set_pack_args(CompileOptions& options, const py::handle& value) {
  if (value.is_none()) return;
  if (!PyDict_Check(value.ptr()))
    refuse("pack_args: is a " + type_name(value) +
           ", must be a dict of max_valid_num and segment_max_size");
  PackArgs args;
  for (const auto& [key, number] : py::reinterpret_borrow<py::dict>(value)) {
    const std::string name = text("pack_args", key);
    int64_t* field = name == "max_valid_num"      ? &args.max_valid_num
                     : name == "segment_max_size" ? &args.segment_max_size
                                                  : nullptr;
    if (!field) refuse("pack_args: '" + name + "', must be max_valid_num or segment_max_size");
    *field = positive("pack_args " + name, number);
  }
  if (!args.max_valid_num || !args.segment_max_size)
    refuse("pack_args: must give both max_valid_num and segment_max_size");
  options.pack_args = args;
}

void set_precision(CompileOptions& options, const py::handle& value) {
  const std::string word = text("precision", value);
  if (word != "fp32" && word != "fp16") refuse("precision: '" + word + "', must be fp32 or fp16");
  options.precision = word == "fp16" ? Precision::Fp16 : Precision::Fp32;
}

void set_partials(CompileOptions& options, const py::handle& value) {
  const std::string word = text("partials_type", value);
  if (word != "half" && word != "float")
    refuse("partials_type: '" + word + "', must be float or half");
  options.partials_type = word == "half" ? PartialsType::Half : PartialsType::Float;
}

void set_proportion(CompileOptions& options, const py::handle& value) {
  if (!PyFloat_Check(value.ptr()) && !PyLong_Check(value.ptr()))
    refuse("available_memory_proportion: is a " + type_name(value) + ", must be in (0, 1]");
  options.available_memory_proportion = py::cast<double>(value);
}

void set_compiler_options(CompileOptions& options, const py::handle& value) {
  const std::string must = ", must be a dict of use_128bit_conv_unit_load or enable_fast_reduce";
  if (!PyDict_Check(value.ptr())) refuse("compiler_options: is a " + type_name(value) + must);
  for (const auto& [key, on] : py::reinterpret_borrow<py::dict>(value)) {
    const std::string name = text("compiler_options", key);
    bool* field = name == "use_128bit_conv_unit_load" ? &options.use_128bit_conv_unit_load
                  : name == "enable_fast_reduce"      ? &options.enable_fast_reduce
                                                      : nullptr;
    if (!field) refuse("compiler_options: '" + name + "'" + must);
    *field = truth("compiler_options " + name, on);
  }
}

void set_target(CompileOptions& options, const py::handle& value) {
  options.target = value_of(parse_target(names("target", value)));
}

template <class Options>
struct Option {
  const char* name;
  void (*set)(Options&, const py::handle&);
};

constexpr Option<CompileOptions> kCompileOptions[] = {
    {"input_shape", [](CompileOptions& o,
     const py::handle& v) { o.input_shape = shapes_by_name("input_shape", v); }},
    {"precision", set_precision},
    {"pack_args", set_pack_args},
    {"passes", [](CompileOptions& o, const py::handle& v) { o.passes = names("passes", v); }},
    {"fp16_skip_op_types",
     [](CompileOptions& o, const py::handle& v) {
       o.fp16_skip_op_types = names("fp16_skip_op_types", v);
     }},
    {"skip_passes",
     [](CompileOptions& o, const py::handle& v) { o.skip_passes = names("skip_passes", v); }},
    {"partials_type", set_partials},
    {"available_memory_proportion", set_proportion},
    {"compiler_options", set_compiler_options},
    {"target", set_target},
    {"batches_per_step",
     [](CompileOptions& o, const py::handle& v) {
       o.host.batches_per_step = positive("batches_per_step", v);
     }},
    {"num_io_tiles",
     [](CompileOptions& o, const py::handle& v) {
       o.host.io_tiles = not_negative("num_io_tiles", v);
     }},
    {"prefetch",
     [](CompileOptions& o, const py::handle& v) { o.host.prefetch = truth("prefetch", v); }},
    {"dump_passes",
     [](CompileOptions& o, const py::handle& v) { o.dump_dir = text("dump_passes", v); }},
    {"limits", [](CompileOptions& o, const py::handle& v) { o.limits = limits_of(v); }},
};

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

constexpr Option<SessionOptions> kSessionOptions[] = {
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

template <class Options>
bool set_option(std::span<const Option<Options>> table, Options& options, const std::string& name,
                const py::handle& value) {
  for (const Option<Options>& option : table) {
    if (name != option.name) continue;
    option.set(options, value);
    return true;
  }
  return false;
}

template <class Options>
void add_names(std::span<const Option<Options>> table, std::vector<std::string>& to) {
  for (const Option<Options>& option : table) to.emplace_back(option.name);
}

[[noreturn]] void refuse_name(const std::string& name, const std::vector<std::string>& known) {
  refuse("'" + name + "' is not an option; did you mean '" + nearest_name(name, known) + "'?");
}

constexpr std::span<const Option<CompileOptions>> compile_table{kCompileOptions};
constexpr std::span<const Option<SessionOptions>> session_table{kSessionOptions};

}  // namespace

CompileOptions compile_options(const py::dict& options) {
  CompileOptions result;
  for (const auto& [key, value] : options) {
    const std::string name = text("option", key);
    if (set_option(compile_table, result, name, value)) continue;
    std::vector<std::string> known;
    add_names(compile_table, known);
    refuse_name(name, known);
  }
  check(check_options(result));
  return result;
}

SessionOptions session_options(const py::dict& options) {
  SessionOptions result;
  result.cache_dir = default_cache_dir();
  for (const auto& [key, value] : options) {
    const std::string name = text("option", key);
    if (set_option(session_table, result, name, value) ||
        set_option(compile_table, result.compile, name, value))
      continue;
    std::vector<std::string> known;
    add_names(session_table, known);
    add_names(compile_table, known);
    refuse_name(name, known);
  }
  check(check_options(result.compile));
  if (result.background && result.on_recompile != OnRecompile::Pad)
    refuse("background: needs on_recompile='pad'");
  return result;
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
