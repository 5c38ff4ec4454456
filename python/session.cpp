// SPDX-License-Identifier: Apache-2.0
// tessera.Session, and the reader of its events.
#include "session/session.h"

#include <pybind11/stl.h>

#include "python/arrays.h"
#include "python/bindings.h"
#include "python/executable.h"
#include "python/gil.h"
#include "python/model_runner.h"
#include "python/options.h"

namespace tessera::python {
namespace {

struct SessionHandle {
  explicit SessionHandle(std::shared_ptr<Session> s) : session(std::move(s), "session") {}
  Closable<Session> session;
};

std::unique_ptr<SessionHandle> open_session(const py::object& model, const py::object& events,
                                            int threads, bool isolated, const py::dict& options) {
  const std::string path = path_of(model);
  SessionOptions session_options;
  session_options.compile = compile_options(options);
  session_options.machine = machine_options(threads, isolated);
  session_options.tell = [](const std::string&) {};  // Python asks recompiles()
  if (!events.is_none()) session_options.events_path = path_of(events);
  return std::make_unique<SessionHandle>(
      value_of(without_gil([&] { return Session::open(path, std::move(session_options)); })));
}

py::dict run(SessionHandle& handle, const py::object& inputs, const py::object& outputs) {
  const std::shared_ptr<Session> session = handle.session.get();
  InputShapes shapes;
  {
    const HeldInputs in = hold_inputs(inputs);
    for (const auto& [name, view] : in.views) shapes[name] = view.shape;
  }
  auto runner = value_of(without_gil([&] { return session->runner(shapes); }));
  return run_batch(std::move(runner), inputs, outputs);
}

std::vector<std::string> event_lines(const SessionHandle& handle) {
  std::vector<std::string> lines;
  for (const RecompileEvent& event : handle.session.get()->events())
    lines.push_back(to_json_line(event));
  return lines;
}

void close(SessionHandle& handle) {
  std::shared_ptr<Session> session = handle.session.take();
  if (session) without_gil([&] { return session.reset(), true; });
}

// ((JSON line, human line), …) of an events file.
py::list read_lines(const py::object& path) {
  const std::string from = path_of(path);
  py::list lines;
  for (const RecompileEvent& event : value_of(without_gil([&] { return read_events(from); })))
    lines.append(py::make_tuple(to_json_line(event), to_human_line(event)));
  return lines;
}

}  // namespace

void bind_session(py::module_& module) {
  py::class_<SessionHandle>(module, "Session")
      .def(py::init(&open_session))
      .def("run", run)
      .def("events", event_lines)
      .def("close", close)
      .def("closed", [](const SessionHandle& handle) { return handle.session.closed(); });
  module.def("read_events", read_lines);
}

}  // namespace tessera::python
