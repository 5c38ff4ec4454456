// SPDX-License-Identifier: Apache-2.0
// Reports: tessera.report.
#include "report/report.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "codelets/codelet.h"
#include "program/popef_file.h"
#include "python/bindings.h"
#include "python/errors.h"
#include "python/executable.h"
#include "python/gil.h"
#include "python/options.h"

namespace tessera::python {
namespace {

ReportedExecutable reported(const py::handle& executable_or_path, const Limits& limits,
                            const std::optional<PublicKey>& key) {
  if (py::isinstance<ExecutableHandle>(executable_or_path)) {
    const auto held = py::cast<ExecutableHandle&>(executable_or_path).executable;
    return {held->metadata.model_name, *held, {}, {}};
  }
  const std::string from = path_of(executable_or_path, "executable");
  return value_of(without_gil([&]() -> Expected<ReportedExecutable> {
    const PopefFile file = TRY(open_popef(from, key, limits));
    return ReportedExecutable{
        from, TRY(read_popef(file, check_compute_set, limits)), TRY(list_blobs(file)), {}};
  }));
}

// (HTML, JSON). `events`: ((name, lines), …).
py::tuple report(const py::list& executables,
                 const std::vector<std::pair<std::string, std::vector<std::string>>>& events,
                 const py::object& record, const py::object& limits, const py::object& key) {
  ReportInputs inputs;
  inputs.version = TESSERA_VERSION;
  inputs.command = "tessera.report";
  const Limits most = limits_of(limits);
  const std::optional<PublicKey> signed_by = required_key(key);
  for (const py::handle& executable : executables)
    inputs.executables.push_back(reported(executable, most, signed_by));
  for (const auto& [name, lines] : events) {
    ReportedLog& log = inputs.logs.emplace_back(ReportedLog{name, {}});
    for (const std::string& line : lines) log.events.push_back(value_of(parse_event(line)));
  }
  if (!record.is_none()) {
    const std::string from = path_of(record, "record");
    inputs.run = {from, value_of(without_gil([&] { return read_online_log(from); }))};
  }
  using Json = nlohmann::ordered_json;
  using Texts = std::pair<std::string, std::string>;
  const Texts made = value_of(without_gil([&]() -> Expected<Texts> {
    const Json document = TRY(report_document(inputs));
    return Texts{report_page(document),
                 document.dump(-1, ' ', true, Json::error_handler_t::replace)};
  }));
  return py::make_tuple(made.first, made.second);
}

}  // namespace

void bind_report(py::module_& module) { module.def("report", report); }

}  // namespace tessera::python
