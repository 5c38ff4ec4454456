// SPDX-License-Identifier: Apache-2.0
// tessera.quantize: a model of bytes of one of floats, and the report as JSON.
// tessera.calibrate_fp8: options with powers of two by samples, and what was found.
#include "check/quantization.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "check/calibrate.h"
#include "compiler/fp8_text.h"
#include "python/arrays.h"
#include "python/bindings.h"
#include "python/errors.h"
#include "python/executable.h"
#include "python/gil.h"
#include "python/options.h"
#include "support/file_names.h"
#include "support/npy.h"

namespace tessera::python {
namespace {

NpyArray npy_of(const InputView& view) {
  return {
      view.wide ? "<i8" : npy_descr(view.dtype),
      view.shape,
      {view.bytes.begin(), view.bytes.end()}
  };
}

// `calibration`: ((name, {input: array}), …).
std::vector<Sample> samples_of(const py::list& calibration) {
  std::vector<Sample> samples;
  for (const py::handle& one : calibration) {
    const auto [name, arrays] = one.cast<std::pair<std::string, py::object>>();
    Sample sample{name, {}};
    const HeldInputs held = hold_inputs(arrays);
    for (const auto& [input, view] : held.views)
      sample.arrays[input] = value_of(array_of(npy_of(view), input));
    samples.push_back(std::move(sample));
  }
  return samples;
}

// JSON. `settings`: scales, random_requests, seed, skip_op_names, skip_most_sensitive, max_error,
// threads. `options`: input_shape and limits, of tessera.CompileOptions.
std::string quantize(const py::object& model, const py::object& output, const py::list& calibration,
                     const py::tuple& settings, const py::dict& options) {
  const std::string from = path_of(model, "model"), to = path_of(output, "output");
  const CompileOptions compile = compile_options(options);
  QuantizationOptions asked;
  asked.by = value_of(parse_quantized_by(settings[0].cast<std::string>()));
  asked.input_shape = compile.input_shape;
  asked.samples = samples_of(calibration);
  asked.random_requests = settings[1].cast<int64_t>();
  asked.seed = settings[2].cast<uint64_t>();
  const auto skipped = settings[3].cast<std::vector<std::string>>();
  asked.skip = {skipped.begin(), skipped.end()};
  asked.skip_most_sensitive = settings[4].cast<int64_t>();
  asked.max_error = settings[5].cast<std::optional<double>>();
  asked.limits = compile.limits;
  asked.machine = machine_options(settings[6].cast<int>(), false, asked.limits);
  const QuantizationReport report =
      value_of(without_gil([&] { return quantize_and_measure(from, to, asked); }));
  using Json = nlohmann::ordered_json;
  return quantization_json(report).dump(-1, ' ', true, Json::error_handler_t::replace);
}

// (fp8_op_params and fp8_skip_op_names as words, ((name, fp8_params, {loss: of the product}), …)).
// `settings`: calibration_loss_type, num_of_layers_keep_fp16, threads.
py::tuple calibrate(const py::object& model, const py::list& calibration, const py::tuple& settings,
                    const py::dict& options) {
  const std::string path = path_of(model, "model");
  CalibrationOptions asked;
  asked.compile = compile_options(options);
  asked.samples = samples_of(calibration);
  asked.loss = value_of(parse_fp8_loss(settings[0].cast<std::string>()));
  asked.machine = machine_options(settings[2].cast<int>(), false, asked.compile.limits);
  const auto found = value_of(without_gil([&] { return calibrate_fp8(path, asked); }));
  const CompileOptions made =
      value_of(with_calibration(asked.compile, found, asked.loss, settings[1].cast<int64_t>()));
  py::list matmuls, skipped;
  for (const CalibratedMatmul& one : found) {
    py::dict losses;
    for (const Fp8Loss loss : kFp8Losses)
      losses[py::str(std::string(to_string(loss)))] = one.product_losses[static_cast<size_t>(loss)];
    matmuls.append(py::make_tuple(one.name, to_string(one.params), losses));
  }
  for (const std::string& name : made.fp8_skip_op_names) skipped.append(name_in_word(name));
  return py::make_tuple(to_string(made.fp8_op_params), skipped, matmuls);
}

}  // namespace

void bind_quantization(py::module_& module) {
  module.def("quantize", quantize);
  module.def("calibrate_fp8", calibrate);
}

}  // namespace tessera::python
