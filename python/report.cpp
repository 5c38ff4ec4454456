// SPDX-License-Identifier: Apache-2.0
// Reports: tessera.report.
#include "report/report.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "codelets/codelet.h"
#include "packing/plan.h"
#include "program/popef.h"
#include "program/read_popef.h"
#include "python/bindings.h"
#include "python/errors.h"
#include "python/executable.h"
#include "python/gil.h"
#include "python/options.h"
#include "python/packing.h"
#include "report/figures.h"
#include "support/lines.h"

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

// A file, or (packing, policy, (((request, start, length), …), …)) of a tessera.PackPlan.
ReportedPlan reported_plan(const py::object& plan) {
  if (!py::isinstance<py::tuple>(plan)) {
    const std::string from = path_of(plan, "plan");
    return {from, value_of(without_gil([&] { return read_plan(from); }))};
  }
  using Place = std::tuple<size_t, int64_t, int64_t>;
  const auto parts = plan.cast<py::tuple>();
  ReportedPlan reported{"plan", {}};
  reported.plan.contract = contract_of(parts[0]);
  reported.plan.rule.policy = value_of(parse_policy(parts[1].cast<std::string>()));
  for (const std::vector<Place>& places : parts[2].cast<std::vector<std::vector<Place>>>()) {
    PackedBatch& batch = reported.plan.batches.emplace_back();
    for (const auto& [request, start, length] : places) {
      batch.placements.push_back({request, start, length});
      batch.tokens += length;
      ++reported.plan.requests;
    }
  }
  check(check_plan(reported.plan));
  return reported;
}

// `figures`: (argument, name, JSON) each.
void add_figures(const std::vector<std::tuple<std::string, std::string, std::string>>& figures,
                 ReportInputs& inputs) {
  for (const auto& [argument, name, text] : figures) {
    check(check_json(text));
    ReportedFigures reported{name, nlohmann::ordered_json::parse(text, nullptr, false)};
    const std::optional<FiguresKind> kind = figures_kind(reported.figures);
    const auto take = [&](FiguresKind wanted, const char* of,
                          std::optional<ReportedFigures>& figures_of) {
      if (kind != wanted)
        raise(Error{argument + ": is a document of another kind, must be what " + of + " gives",
                    ErrorKind::Usage});
      figures_of = std::move(reported);
    };
    if (argument == "bench") take(FiguresKind::Bench, "bench", inputs.bench);
    if (argument == "policies") take(FiguresKind::Policies, "pack.compare", inputs.policies);
    if (argument == "shapes") take(FiguresKind::Shapes, "pack.tune", inputs.shapes);
  }
}

// (HTML, JSON). `events`: ((name, lines), …).
py::tuple report(const py::list& executables,
                 const std::vector<std::pair<std::string, std::vector<std::string>>>& events,
                 const py::object& record, const py::object& plan,
                 const std::vector<std::tuple<std::string, std::string, std::string>>& figures,
                 const py::object& limits, const py::object& key) {
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
    inputs.run = {from, value_of(without_gil([&] { return read_online_log(from, most); }))};
  }
  if (!plan.is_none()) inputs.plan = reported_plan(plan);
  add_figures(figures, inputs);
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
