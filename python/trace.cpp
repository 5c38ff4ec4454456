// SPDX-License-Identifier: Apache-2.0
// Traces: tessera.trace.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "python/bindings.h"
#include "python/errors.h"
#include "python/executable.h"
#include "python/gil.h"
#include "serving/online_record.h"
#include "session/events.h"
#include "trace/host.h"
#include "trace/modelled.h"

namespace tessera::python {
namespace {

void add_executable(TrackEvents& trace, const Executable& executable) {
  const ProgramCost cost = program_cost(executable.program);
  const MemoryReport memory = program_memory(executable.program);
  add_modelled(trace, {executable.program, cost, memory});
}

// (the trace, how many events it has). `executable`: an ExecutableHandle or None. `log`: where the
// events are from, and their lines.
py::tuple trace(const py::object& executable, const py::object& record,
                const std::pair<std::string, std::vector<std::string>>& log) {
  std::shared_ptr<const Executable> held;
  if (!executable.is_none()) held = py::cast<ExecutableHandle&>(executable).executable;
  TracedHost host;
  if (!record.is_none()) host.record_path = path_of(record, "record");
  host.log_path = log.first;
  TrackEvents trace;
  check(without_gil([&]() -> Status {
    std::optional<RecordedRun> run;
    if (!host.record_path.empty()) {
      run = TRY(read_online_log(host.record_path));
      host.run = &*run;
    }
    std::vector<RecompileEvent> events;
    for (const std::string& line : log.second) events.push_back(TRY(parse_event(line)));
    host.log = events;
    if (held) add_executable(trace, *held);
    return add_host(trace, host);
  }));
  return py::make_tuple(py::bytes(trace.bytes()), trace.events());
}

}  // namespace

void bind_trace(py::module_& module) { module.def("trace", trace); }

}  // namespace tessera::python
