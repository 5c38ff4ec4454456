// SPDX-License-Identifier: Apache-2.0
// tessera.pack.compare and tessera.pack.tune: policies and shapes for a mix of lengths, as JSON.
// tessera.tune: this host.
#include <pybind11/stl.h>

#include "packing/comparison.h"
#include "python/bindings.h"
#include "python/errors.h"
#include "python/executable.h"
#include "python/gil.h"
#include "python/options.h"
#include "python/packing.h"
#include "tune/host.h"
#include "tune/shapes.h"

namespace tessera::python {
namespace {

using Json = nlohmann::ordered_json;

std::string json_text(const Json& json) {
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::string count_of(std::span<const int64_t> lengths) {
  return std::to_string(lengths.size()) + " lengths";
}

// `rule`: window, pinned, depth.
std::string pack_compare(const std::vector<int64_t>& lengths, const py::object& packing,
                         const py::tuple& rule) {
  const PackingContract contract = contract_of(packing);
  PackRule numbers;
  numbers.window = rule[0].cast<int64_t>();
  numbers.pinned = rule[1].cast<int64_t>();
  numbers.depth = rule[2].cast<int64_t>();
  return value_of(without_gil([&]() -> Expected<std::string> {
    const auto packings = TRY(compare_policies(contract, numbers, lengths));
    return json_text(comparison_json(count_of(lengths), contract, packings));
  }));
}

// `search`: rows, row_lengths, ids, rate, pinned, p99_limit. `model`: a path, or None with
// executables.
std::string pack_tune(const std::vector<int64_t>& lengths, const py::object& model,
                      const py::list& executables, const py::tuple& search, const py::dict& options,
                      const py::object& key) {
  ShapeSearch wanted;
  wanted.rows = search[0].cast<std::vector<int64_t>>();
  wanted.row_lengths = search[1].cast<std::vector<int64_t>>();
  wanted.ids = search[2].cast<std::string>();
  wanted.tune.rate = search[3].cast<double>();
  wanted.tune.pinned = search[4].cast<int64_t>();
  wanted.p99_limit = search[5].cast<double>();
  check(check_shape_search(wanted));
  const CompileOptions compile = compile_options(options);
  const std::optional<PublicKey> signed_by = required_key(key);
  const std::string path = model.is_none() ? "" : path_of(model, "model");
  std::vector<std::string> files;
  for (const py::handle& file : executables) files.push_back(path_of(file, "executables"));
  return value_of(without_gil([&]() -> Expected<std::string> {
    std::vector<TriedShape> shapes = path.empty()
                                         ? TRY(shapes_of(files, signed_by, compile.limits))
                                         : TRY(compile_shapes(path, compile, wanted, lengths));
    TRY(tune_shapes(shapes, lengths, wanted));
    const std::string costs =
        path.empty() ? "modelled, as the executables say"
                     : "modelled, compiled for " + compile.target.name + " at each shape";
    return json_text(tuning_json(shapes, best_shape(shapes, wanted), count_of(lengths), costs));
  }));
}

std::string tune(double seconds, int threads, bool keep) {
  TuningOptions options;
  options.seconds = seconds;
  options.threads = threads;
  return value_of(without_gil([&]() -> Expected<std::string> {
    if (keep) TRY(check_tuning_folder(options.cache_folder));
    const HostTuning found = TRY(tune_host(options));
    if (keep) TRY(write_tuning(options.cache_folder, options.cpu, found.chosen.blocks));
    return json_text(host_tuning_json(found, keep));
  }));
}

}  // namespace

void bind_tuning(py::module_& module) {
  module.def("pack_compare", pack_compare);
  module.def("pack_tune", pack_tune);
  module.def("tune", tune);
}

}  // namespace tessera::python
