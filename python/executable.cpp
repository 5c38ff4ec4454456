// SPDX-License-Identifier: Apache-2.0
#include "python/executable.h"

#include <pybind11/stl.h>

#include <map>
#include <nlohmann/json.hpp>

#include "check/check.h"
#include "codelets/codelet.h"
#include "compiler/convert.h"
#include "compiler/onnx/import/import.h"
#include "compiler/onnx/make/make_model.h"
#include "cost/inspection.h"
#include "cost/profile.h"
#include "passes/pipeline.h"
#include "program/popef.h"
#include "program/read_popef.h"
#include "python/arrays.h"
#include "python/bindings.h"
#include "python/errors.h"
#include "python/gil.h"
#include "python/options.h"
#include "support/file.h"
#include "support/file_names.h"
#include "support/plain_text.h"

namespace tessera::python {
namespace {

py::object packing_of(const PackingContract& packing) {
  if (packing.form == PackingForm::None) return py::none();
  using py::arg;
  py::dict per_request;
  for (const auto& output : packing.outputs) per_request[py::str(output.name)] = output.per_request;
  return py::module_::import("tessera.types")
      .attr("Packing")(arg("form") = to_string(packing.form), arg("rows") = packing.rows,
                       arg("row_length") = packing.row_length,
                       arg("max_valid_num") = packing.max_valid_num,
                       arg("segment_max_size") = packing.segment_max_size,
                       arg("token_inputs") = py::tuple(py::cast(packing.token_inputs)),
                       arg("ids_input") = packing.ids_input, arg("mask_input") = packing.mask_input,
                       arg("position_input") = packing.position_input,
                       arg("unpack_info_input") = packing.unpack_info_input,
                       arg("padding_id") = packing.padding_id,
                       arg("mask_hides") = packing.mask_hides, arg("per_request") = per_request);
}

py::dict memory_of(const MemorySummary& memory) {
  using namespace py::literals;
  return py::dict("peak_bytes"_a = memory.peak_bytes, "peak_tile"_a = memory.peak_tile,
                  "peak_superstep"_a = memory.peak_superstep,
                  "always_live_bytes"_a = memory.always_live_bytes, "fits"_a = memory.fits);
}

py::dict cycles_of(const CycleSummary& cycles) {
  using namespace py::literals;
  return py::dict("total"_a = cycles.total, "compute"_a = cycles.compute,
                  "rearrange"_a = cycles.rearrange, "exchange"_a = cycles.exchange,
                  "sync"_a = cycles.sync, "seconds_per_batch"_a = cycles.seconds_per_batch);
}

std::vector<std::string> visible_all(const std::vector<std::string>& lines) {
  std::vector<std::string> all;
  for (const std::string& line : lines) all.push_back(visible(line));
  return all;
}

void save(const ExecutableHandle& handle, const py::object& path) {
  const std::string to = path_of(path, "path");
  // Writing notes the hash in the executable, which others may be running: it writes a copy, whose
  // constants are shared.
  Executable copy = *handle.executable;
  value_of(without_gil([&] { return write_popef(copy, to); }));
}

// The file's bytes, by way of one that is removed again.
py::bytes to_bytes(const ExecutableHandle& handle) {
  const py::object folder = py::module_::import("tempfile").attr("TemporaryDirectory")();
  const py::object path =
      py::module_::import("os").attr("path").attr("join")(folder.attr("name"), "executable.popef");
  save(handle, path);
  const std::string from = path_of(path, "path");
  const auto file = value_of(without_gil([&] { return MappedFile::open(from); }));
  const std::span<const std::byte> bytes = file->bytes();
  py::bytes copy(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  folder.attr("cleanup")();
  return copy;
}

ExecutableHandle compile_model(const py::object& model, const py::object& output,
                               const std::string& label, const py::dict& options) {
  const std::string path = path_of(model, "model");
  const CompileOptions checked = compile_options(options);
  check(check_label(label));
  CompileResult result = value_of(without_gil([&] { return compile(path, checked); }));
  result.executable.metadata.label = label;
  ExecutableHandle handle{std::make_shared<const Executable>(std::move(result.executable)),
                          std::move(result.phases), visible_all(result.warnings)};
  // The file is written all the same where a tile does not hold it: it is what there is to inspect.
  if (!output.is_none()) save(handle, output);
  if (result.out_of_memory) {
    py::object exception = to_exception(*result.out_of_memory);
    exception.attr("executable") = py::cast(handle);
    raise_object(exception);
  }
  return handle;
}

py::dict convert_model(const py::object& model, const py::object& output, const py::dict& options) {
  const std::string from = path_of(model, "model"), to = path_of(output, "output");
  const CompileOptions checked = compile_options(options);
  const Converted converted = value_of(without_gil([&] { return convert(from, checked); }));
  check(without_gil([&] { return write_converted(converted, to); }));
  using namespace py::literals;
  return py::dict(
      "path"_a = py::reinterpret_steal<py::object>(
          PyUnicode_DecodeFSDefaultAndSize(to.data(), std::ssize(to))),
      "nodes"_a = converted.graph.nodes().size(), "inputs"_a = converted.graph.inputs.size(),
      "outputs"_a = converted.graph.outputs.size(), "passes"_a = converted.passes,
      "warnings"_a = visible_all(converted.warnings), "packing"_a = packing_of(converted.packing));
}

// JSON. `settings`: reference, python, random_requests, seed, tolerance, by_layer, threads.
std::string check_model_with(const py::object& model, const py::dict& requests,
                             const py::tuple& settings, const py::dict& options) {
  const std::string path = path_of(model, "model");
  CheckOptions asked;
  asked.compile = compile_options(options);
  const auto reference = settings[0].cast<std::string>();
  if (reference != "interpreter" && reference != "onnxruntime")
    raise(Error{"reference: is '" + visible(reference) + "', must be interpreter or onnxruntime",
                ErrorKind::Usage});
  if (reference == "onnxruntime") asked.reference = ReferenceKind::OnnxRuntime;
  asked.python = settings[1].cast<std::string>();
  asked.random_requests = settings[2].cast<int64_t>();
  asked.seed = settings[3].cast<uint64_t>();
  asked.tolerance = settings[4].cast<std::optional<double>>();
  asked.by_layer = settings[5].cast<bool>();
  asked.machine = machine_options(settings[6].cast<int>(), false, asked.compile.limits);
  for (const auto& [name, request] : requests)
    asked.requests.emplace_back(
        name.cast<std::string>(),
        Request{request.cast<std::map<std::string, std::vector<int32_t>>>()});
  const CheckReport report = value_of(without_gil([&] { return check_model(path, asked); }));
  using Json = nlohmann::ordered_json;
  return check_json(report).dump(-1, ' ', true, Json::error_handler_t::replace);
}

ExecutableHandle load_within(const py::handle& path, const Limits& limits,
                             const std::optional<PublicKey>& key) {
  const std::string from = path_of(path, "path");
  auto executable = value_of(without_gil([&]() -> Expected<Executable> {
    return read_popef(TRY(open_popef(from, key, limits)), check_compute_set, limits);
  }));
  return {std::make_shared<const Executable>(std::move(executable)), {}, {}};
}

ExecutableHandle load(const py::object& path, const py::object& limits, const py::object& key) {
  return load_within(path, limits_of(limits), required_key(key));
}

// ((name, dtype, shape with -1 for variable dimensions), …)
py::list model_inputs(const py::object& path) {
  const std::string from = path_of(path, "path");
  py::list list;
  for (const DeclaredInput& input :
       value_of(without_gil([&] { return declared_model_inputs(from); })))
    list.append(py::make_tuple(input.name, input.dtype, shape_tuple(input.shape)));
  return list;
}

// JSON: what the executable holds and takes; with `profile`, where its cycles and memory go.
std::string inspect(const py::object& executable_or_path, const py::object& limits,
                    const py::object& key, bool profile) {
  const auto told = [profile](const Executable& executable, const std::vector<BlobInfo>& blobs) {
    const ProgramCost cost = program_cost(executable.program);
    const MemoryReport memory = program_memory(executable.program);
    return profile ? profile_json({executable.program, cost, memory}).dump()
                   : inspection_json(executable, blobs, cost, memory).dump();
  };
  if (py::isinstance<ExecutableHandle>(executable_or_path)) {
    const auto executable = py::cast<ExecutableHandle&>(executable_or_path).executable;
    return without_gil([&] { return told(*executable, {}); });
  }
  const std::string from = path_of(executable_or_path, "executable");
  const Limits most = limits_of(limits);
  const std::optional<PublicKey> signed_by = required_key(key);
  return value_of(without_gil([&]() -> Expected<std::string> {
    const PopefFile file = TRY(open_popef(from, signed_by, most));
    const Executable executable = TRY(read_popef(file, check_compute_set, most));
    return told(executable, TRY(list_blobs(file)));
  }));
}

void make_model_file(const py::object& path, const std::string& preset, const py::dict& sizes,
                     const std::string& gelu, const std::optional<uint64_t>& seed) {
  const std::string to = path_of(path, "path");
  MakeModelOptions options = value_of(make_model_preset(preset));
  const std::map<std::string, int64_t*> fields = {
      {"layers",       &options.layers      },
      {"hidden",       &options.hidden      },
      {"heads",        &options.heads       },
      {"ffn",          &options.ffn         },
      {"vocab",        &options.vocab       },
      {"max_position", &options.max_position},
  };
  for (const auto& [name, value] : sizes)
    *fields.at(name.cast<std::string>()) = value.cast<int64_t>();
  if (gelu != "erf" && gelu != "tanh")
    raise(Error{"gelu: is '" + visible(gelu) + "', must be erf or tanh", ErrorKind::Usage});
  options.gelu = gelu == "erf" ? GeluForm::Erf : GeluForm::Tanh;
  if (seed) options.seed = *seed;
  check(without_gil([&] { return make_model(options, to); }));
}

py::list passes() {
  py::list list;
  for (const Pass& pass : all_passes())
    list.append(py::make_tuple(pass.name, pass.what, pass.runs.is_optional()));
  return list;
}

// {name: "NAME.npy"}.
std::map<std::string, std::string> file_names(const std::vector<std::string>& names,
                                              const std::vector<std::string>& others) {
  const TensorFiles files(names, others);
  std::map<std::string, std::string> all;
  for (const std::string& name : names) all[name] = files.file_of(name);
  return all;
}

}  // namespace

py::tuple tensors_of(const Metadata& metadata, AnchorKind kind) {
  const py::object tensor = py::module_::import("tessera.types").attr("Tensor");
  py::list list;
  for (const Anchor& anchor : metadata.anchors)
    if (anchor.kind == kind)
      list.append(tensor(anchor.name, numpy_dtype(anchor.dtype), shape_tuple(anchor.shape),
                         anchor.model_dtype, anchor.index_limit));
  return py::tuple(list);
}

std::string path_of(const py::handle& path, const char* argument) {
  const auto text = py::reinterpret_steal<py::object>(PyOS_FSPath(path.ptr()));
  if (!text) throw py::error_already_set();
  const auto bytes = PyUnicode_Check(text.ptr())
                         ? py::reinterpret_steal<py::object>(PyUnicode_EncodeFSDefault(text.ptr()))
                         : text;
  if (!bytes) throw py::error_already_set();
  const auto name = py::cast<std::string>(bytes);
  if (name.find('\0') != std::string::npos)
    raise(Error{std::string(argument) + ": is '" + name +
                    "', must be a path, which cannot hold a NUL character",
                ErrorKind::Usage});
  return name;
}

std::shared_ptr<const Executable> executable_of(const py::handle& executable_or_path,
                                                const Limits& limits) {
  if (py::isinstance<ExecutableHandle>(executable_or_path))
    return py::cast<ExecutableHandle&>(executable_or_path).executable;
  return load_within(executable_or_path, limits, {}).executable;
}

void bind_executable(py::module_& module) {
  py::class_<ExecutableHandle>(module, "Executable")
      .def_property_readonly("inputs",
                             [](const ExecutableHandle& h) {
                               return tensors_of(h.executable->metadata, AnchorKind::Input);
                             })
      .def_property_readonly("outputs",
                             [](const ExecutableHandle& h) {
                               return tensors_of(h.executable->metadata, AnchorKind::Output);
                             })
      .def_property_readonly(
          "packing",
          [](const ExecutableHandle& h) { return packing_of(h.executable->metadata.packing); })
      .def_property_readonly(
          "memory",
          [](const ExecutableHandle& h) { return memory_of(h.executable->metadata.memory); })
      .def_property_readonly(
          "cycles",
          [](const ExecutableHandle& h) { return cycles_of(h.executable->metadata.cycles); })
      .def_property_readonly(
          "model_name", [](const ExecutableHandle& h) { return h.executable->metadata.model_name; })
      .def_property_readonly("label",
                             [](const ExecutableHandle& h) { return h.executable->metadata.label; })
      .def_property_readonly(
          "options", [](const ExecutableHandle& h) { return h.executable->metadata.options; })
      .def_property_readonly("phases_ms",
                             [](const ExecutableHandle& h) {
                               py::dict phases;
                               for (const Phase& phase : h.phases)
                                 phases[py::str(phase.name)] = phase.milliseconds;
                               return phases;
                             })
      .def_property_readonly(
          "target", [](const ExecutableHandle& h) { return h.executable->program.target.name; })
      .def_property_readonly("report",
                             [](const ExecutableHandle& h) { return h.executable->report; })
      .def_property_readonly("warnings", [](const ExecutableHandle& h) { return h.warnings; })
      .def("save", save, py::arg("path"))
      .def("to_bytes", to_bytes)
      .def("__reduce__",
           [](const ExecutableHandle& h) {
             return py::make_tuple(py::module_::import("tessera.compiler").attr("load"),
                                   py::make_tuple(to_bytes(h)));
           })
      .def("_repr_html_",
           [](const py::object& self) {
             return py::module_::import("tessera.reports")
                 .attr("report")(self)
                 .attr("_repr_html_")();
           })
      .def("__repr__", [](const ExecutableHandle& h) {
        return "<tessera.Executable of " + visible(h.executable->metadata.model_name) + ", " +
               std::to_string(h.executable->program.supersteps.size()) + " supersteps>";
      });
  module.def("compile", compile_model);
  module.def("check", check_model_with);
  module.def("convert", convert_model);
  module.def("load", load);
  module.def("make_model", make_model_file);
  module.def("passes", passes);
  module.def("compile_option_rows", compile_option_rows);
  module.def("runner_option_rows", runner_option_rows);
  module.def("file_names", file_names);
  module.def("unescaped", [](const std::string& word) { return unescaped(word); });
  module.def("visible", [](const std::string& text) { return visible(text); });
  module.def("inspect", inspect);
  module.def("model_inputs", model_inputs);
}

}  // namespace tessera::python
