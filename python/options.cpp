// SPDX-License-Identifier: Apache-2.0
#include "python/options.h"

#include <algorithm>
#include <numeric>

#include "python/errors.h"

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

int64_t whole_number(const std::string& where, const py::handle& value) {
  const py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
  if (!index) {
    PyErr_Clear();
    refuse(where + ": is a " + type_name(value) + ", must be a whole number");
  }
  const int64_t number = PyLong_AsLongLong(index.ptr());
  if (PyErr_Occurred()) {
    PyErr_Clear();
    refuse(where + ": '" + std::string(py::str(index)) + "', must be a positive whole number");
  }
  if (number <= 0)
    refuse(where + ": '" + std::to_string(number) + "', must be a positive whole number");
  return number;
}

void set_input_shape(CompileOptions& options, const py::handle& value) {
  if (!PyDict_Check(value.ptr()))
    refuse("input_shape: is a " + type_name(value) + ", must be a dict of shapes by input name");
  for (const auto& [key, dims] : py::reinterpret_borrow<py::dict>(value)) {
    const std::string name = text("input_shape", key);
    Shape shape;
    for (const py::handle& dim : py::iter(dims))
      shape.push_back(whole_number("input_shape " + name, dim));
    options.input_shape[name] = shape;
  }
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
    *field = whole_number("pack_args " + name, number);
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

struct Option {
  const char* name;
  void (*set)(CompileOptions&, const py::handle&);
};

constexpr Option kOptions[] = {
    {"input_shape", set_input_shape},
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
    {"target", [](CompileOptions& o,
     const py::handle& v) { o.target = value_of(target_preset(text("target", v))); }},
    {"dump_passes",
     [](CompileOptions& o, const py::handle& v) { o.dump_dir = text("dump_passes", v); }},
};

// Changes of one letter that lead from one word to the other.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

[[noreturn]] void refuse_name(const std::string& name) {
  const auto nearest = std::min_element(
      std::begin(kOptions), std::end(kOptions), [&](const Option& a, const Option& b) {
        return edit_distance(name, a.name) < edit_distance(name, b.name);
      });
  refuse(name + ": is no option; the nearest is '" + nearest->name + "'");
}

}  // namespace

CompileOptions compile_options(const py::dict& options) {
  CompileOptions result;
  for (const auto& [key, value] : options) {
    const std::string name = text("option", key);
    const auto* option = std::find_if(std::begin(kOptions), std::end(kOptions),
                                      [&](const Option& o) { return name == o.name; });
    if (option == std::end(kOptions)) refuse_name(name);
    option->set(result, value);
  }
  check(check_options(result));
  return result;
}

MachineOptions machine_options(int threads, bool isolated) {
  if (threads < 0)
    refuse("threads: " + std::to_string(threads) + ", must be 0 (one per core) or more");
  MachineOptions options;
  options.threads = threads;
  options.kind = isolated ? MachineKind::Isolated : MachineKind::Direct;
  return options;
}

}  // namespace tessera::python
