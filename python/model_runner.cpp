// SPDX-License-Identifier: Apache-2.0
#include "python/model_runner.h"

#include "python/arrays.h"
#include "python/bindings.h"
#include "python/executable.h"
#include "python/gil.h"
#include "python/options.h"

namespace tessera::python {
namespace {

std::unique_ptr<ModelRunnerHandle> make_model_runner(const py::object& executable, int threads,
                                                     bool isolated, const py::object& limits) {
  const Limits bounds = limits_of(limits);
  const std::shared_ptr<const Executable> program = executable_of(executable, bounds);
  const MachineOptions options = machine_options(threads, isolated, bounds);
  auto runner = value_of(without_gil([&] { return ModelRunner::create(program, options); }));
  warn_of_cache(runner->machine().cache_problem());
  return std::make_unique<ModelRunnerHandle>(std::move(runner), program);
}

// `future` gets the outputs, or the exception; until then the arrays stay alive.
void submit(const py::object& self, const py::object& inputs, const py::object& outputs,
            const py::object& future) {
  std::shared_ptr<ModelRunner> runner = py::cast<ModelRunnerHandle&>(self).runner.get();
  HeldInputs in = hold_inputs(inputs);
  HeldOutputs out = hold_outputs(outputs, runner->executable().metadata);
  auto flight = std::make_unique<InFlight>();
  flight->future = future;
  flight->owner = self;
  flight->keep = std::move(in.keep);
  for (py::object& array : out.keep) flight->keep.push_back(std::move(array));
  flight->result = [arrays = std::move(out.arrays)] { return arrays; };
  const OutputViews looked_through = runner->computes_in_half() ? out.views : OutputViews();

  InFlight* raw = flight.release();
  const Status refused = without_gil([&] {
    Status status =
        runner->run_then(in.views, std::move(out.views), [raw, looked_through](Status done) {
          if (done.ok()) raw->not_finite = find_not_finite(looked_through);
          raw->status = std::move(done);
          Completions::instance().push(std::unique_ptr<InFlight>(raw));
        });
    runner.reset();  // the last one, if another thread closes it now
    return status;
  });
  if (refused.ok()) return;
  delete raw;
  raise(refused.error());
}

void close(ModelRunnerHandle& handle) {
  std::shared_ptr<ModelRunner> runner = handle.runner.take();
  if (runner) without_gil([&] { return runner.reset(), true; });
}

}  // namespace

py::dict run_batch(std::shared_ptr<ModelRunner> runner, const py::object& inputs,
                   const py::object& outputs) {
  const HeldInputs in = hold_inputs(inputs);
  HeldOutputs out = hold_outputs(outputs, runner->executable().metadata);
  std::vector<NotFinite> found;
  check(without_gil([&] {
    Status status = runner->run(in.views, out.views);
    if (status.ok() && runner->computes_in_half()) found = find_not_finite(out.views);
    runner.reset();  // the last one, if another thread closes it now
    return status;
  }));
  warn_not_finite(found);
  return std::move(out.arrays);
}

void bind_model_runner(py::module_& module) {
  py::class_<ModelRunnerHandle>(module, "ModelRunner")
      .def(py::init(&make_model_runner))
      .def("run",
           [](ModelRunnerHandle& handle, const py::object& inputs, const py::object& outputs) {
             return run_batch(handle.runner.get(), inputs, outputs);
           })
      .def("submit", submit)
      .def("close", close)
      .def("closed", [](const ModelRunnerHandle& handle) { return handle.runner.closed(); })
      .def("executable",
           [](const ModelRunnerHandle& handle) {
             return ExecutableHandle{handle.executable, {}, {}};
           })
      .def("load_seconds", [](const ModelRunnerHandle& handle) {
        return handle.runner.get()->machine().load_seconds();
      });
}

}  // namespace tessera::python
