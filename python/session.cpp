// SPDX-License-Identifier: Apache-2.0
// tessera.Session, and the reader of its events.
#include "session/session.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <cstring>
#include <mutex>

#include "executor/array_checks.h"
#include "python/arrays.h"
#include "python/bindings.h"
#include "python/executable.h"
#include "python/gil.h"
#include "python/model_runner.h"
#include "python/options.h"
#include "session/advice_json.h"

namespace tessera::python {
namespace {

// The messages of a session, from whichever thread, until one that holds the interpreter lock
// passes them on: a session never waits for that lock.
class Told {
 public:
  void add(const std::string& line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(line);
  }
  // To the logger "tessera", as warnings.
  void pass_on() {
    std::vector<std::string> lines;
    {
      const std::lock_guard lock(mutex_);
      lines.swap(lines_);
    }
    for (const std::string& line : lines) warn(line);
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

struct SessionHandle {
  SessionHandle(std::shared_ptr<Session> s, std::shared_ptr<Told> t)
      : session(std::move(s), "session"), told(std::move(t)) {}
  Closable<Session> session;
  std::shared_ptr<Told> told;
};

std::unique_ptr<SessionHandle> open_session(const py::object& model, const py::object& events,
                                            int threads, bool isolated, const py::dict& given) {
  const std::string path = path_of(model, "model");
  SessionOptions options = session_options(given);
  options.machine = machine_options(threads, isolated, options.compile.limits);
  const auto told = std::make_shared<Told>();
  options.tell = [told](const std::string& line) { told->add(line); };
  if (!events.is_none()) options.events_path = path_of(events, "events");
  auto session = without_gil([&] { return Session::open(path, std::move(options)); });
  told->pass_on();
  return std::make_unique<SessionHandle>(value_of(std::move(session)), told);
}

// Checks the outputs asked for: anchors of these names, each with its shape and dtype.
Status check_outputs(const OutputViews& views, const Metadata& asked) {
  std::vector<const Anchor*> outputs;
  for (const Anchor& anchor : asked.anchors)
    if (anchor.kind == AnchorKind::Output) outputs.push_back(&anchor);
  for (const auto& [name, view] : views) {
    const auto anchor = std::find_if(outputs.begin(), outputs.end(),
                                     [&, &n = name](const Anchor* a) { return a->name == n; });
    if (anchor == outputs.end())
      return Error{name + ": is not an output of this model, must be " + list_names(outputs)};
    TRY(check_output(**anchor, view));
  }
  return {};
}

void copy_out(const HostTensors& tensors, const OutputViews& views) {
  for (const auto& [name, view] : views) {
    const HostTensor& tensor = tensors.at(name);
    if (tensor.dtype == view.dtype)
      std::memcpy(view.bytes.data(), tensor.bytes.data(), tensor.bytes.size());
    else
      convert_output(tensor.bytes, view);
  }
}

// A batch that is padded: the runner has larger buffers of its own.
py::dict run_padded(Serving serving, const py::object& inputs, const py::object& outputs) {
  const HeldInputs in = hold_inputs(inputs);
  Metadata asked;
  asked.anchors = serving.anchors();
  HeldOutputs out = hold_outputs(outputs, asked);
  check(check_outputs(out.views, asked));
  std::vector<NotFinite> found;
  check(without_gil([&]() -> Status {
    const HostTensors answers = TRY(serving.run(in.views));
    found = serving.not_finite(answers);
    copy_out(answers, out.views);
    serving.runner.reset();  // the last one, if it has gone from the session's memory
    return {};
  }));
  warn_not_finite(found);
  return std::move(out.arrays);
}

py::dict run_session(SessionHandle& handle, const py::object& inputs, const py::object& outputs) {
  const std::shared_ptr<Session> session = handle.session.get();
  InputShapes shapes;
  {
    const HeldInputs in = hold_inputs(inputs);
    for (const auto& [name, view] : in.views) shapes[name] = view.shape;
  }
  auto serving = without_gil([&] { return session->serve(shapes); });
  handle.told->pass_on();
  Serving found = value_of(std::move(serving));
  if (found.is_padded) return run_padded(std::move(found), inputs, outputs);
  return run_batch(std::move(found.runner), inputs, outputs);
}

void finish_background(SessionHandle& handle) {
  const std::shared_ptr<Session> session = handle.session.get();
  without_gil([&] { return session->finish_background(), true; });
  handle.told->pass_on();
}

std::vector<std::string> event_lines(const SessionHandle& handle) {
  std::vector<std::string> lines;
  for (const RecompileEvent& event : handle.session.get()->events())
    lines.push_back(to_json_line(event));
  return lines;
}

void close_session(SessionHandle& handle) {
  std::shared_ptr<Session> session = handle.session.take();
  if (!session) return;
  without_gil([&] { return session.reset(), true; });
  handle.told->pass_on();
}

// ((JSON line, human line), …) of an events file.
py::list read_lines(const py::object& path) {
  const std::string from = path_of(path, "path");
  py::list lines;
  std::string warning;
  const auto events = value_of(without_gil([&] { return read_events(from, &warning); }));
  if (!warning.empty()) warn(warning);
  for (const RecompileEvent& event : events)
    lines.append(py::make_tuple(to_json_line(event), to_human_line(event)));
  return lines;
}

std::vector<RecompileEvent> events_of(const std::vector<std::string>& lines) {
  std::vector<RecompileEvent> events;
  for (const std::string& line : lines) events.push_back(value_of(parse_event(line)));
  return events;
}

std::string text_of(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
}

// JSON of each model's advice.
std::vector<std::string> advise_on(const std::vector<std::string>& lines) {
  std::vector<std::string> all;
  for (const Advice& advice : advise(events_of(lines))) all.push_back(text_of(advice_json(advice)));
  return all;
}

std::string difference_of(const std::string& before, const std::string& after) {
  const std::vector<RecompileEvent> events = events_of({before, after});
  return text_of(difference_json(events[0], events[1]));
}

}  // namespace

void bind_session(py::module_& module) {
  py::class_<SessionHandle>(module, "Session")
      .def(py::init(&open_session))
      .def("run", run_session)
      .def("events", event_lines)
      .def("metrics", [](const SessionHandle& handle) { return handle.session.get()->metrics(); })
      .def("finish_background", finish_background)
      .def("close", close_session)
      .def("closed", [](const SessionHandle& handle) { return handle.session.closed(); });
  module.def("read_events", read_lines);
  module.def("advise", advise_on);
  module.def("recompile_difference", difference_of);
}

}  // namespace tessera::python
