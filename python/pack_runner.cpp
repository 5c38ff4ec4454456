// SPDX-License-Identifier: Apache-2.0
// tessera.PackRunner.
#include "serving/pack_runner.h"

#include <pybind11/stl.h>

#include <cmath>
#include <optional>
#include <type_traits>

#include "python/answers.h"
#include "python/arrays.h"
#include "python/bindings.h"
#include "python/executable.h"
#include "python/gil.h"
#include "python/model_runner.h"
#include "python/options.h"
#include "serving/metrics.h"
#include "serving/padded_rows.h"
#include "serving/request_contract.h"
#include "serving/row_call.h"
#include "support/guard.h"

namespace tessera::python {
namespace {

struct PackRunnerHandle {
  PackRunnerHandle(std::shared_ptr<PackRunner> r, std::shared_ptr<const Executable> e)
      : runner(std::move(r), "pack runner"),
        executable(std::move(e)),
        contract(value_of(request_contract(executable->metadata))) {}
  Closable<PackRunner> runner;
  std::shared_ptr<const Executable> executable;
  PackingContract contract;
};

// A padded batch that was taken.
struct RowCallHandle {
  std::shared_ptr<RowCall> call;
};

std::chrono::microseconds microseconds(const char* name, double seconds) {
  if (!(seconds >= 0) || seconds > 1e9)
    raise(Error{std::string(name) + ": " + std::string(py::str(py::float_(seconds))) +
                    ", must be seconds, 0 or more",
                ErrorKind::Usage});
  return std::chrono::microseconds(std::llround(seconds * 1e6));
}

std::unique_ptr<PackRunnerHandle> make_pack_runner(const py::object& executable, int threads,
                                                   bool isolated, const py::dict& options,
                                                   const py::object& limits) {
  const Limits bounds = limits_of(limits);
  const std::shared_ptr<const Executable> program = executable_of(executable, bounds);
  const MachineOptions machine = machine_options(threads, isolated, bounds);
  const RunnerOptions chosen = runner_options(options);
  std::string cache_problem;
  auto runner = value_of(without_gil([&]() -> Expected<std::unique_ptr<PackRunner>> {
    std::shared_ptr<ModelRunner> batches = TRY(ModelRunner::create(program, machine));
    cache_problem = batches->machine().cache_problem();
    return PackRunner::create(std::move(batches), chosen.runner, chosen.requests);
  }));
  warn_of_cache(cache_problem);
  return std::make_unique<PackRunnerHandle>(std::move(runner), program);
}

// The longest of the request's arrays: a bound of what its answer needs.
int64_t longest(const InputViews& views) {
  int64_t length = 0;
  for (const auto& [name, view] : views) length = std::max(length, elements(view.shape));
  return length;
}

// The size of a padded batch; nothing for a request.
std::optional<BatchSize> batch_in(const InputViews& views, const PackingContract& contract) {
  const auto ids = views.find(contract.ids_input);
  if (ids == views.end()) return {};
  Request shaped;
  shaped.shapes[contract.ids_input] = ids->second.shape;
  return padded_batch(contract.ids_input, shaped);
}

SubmitOptions submit_options(int32_t priority, const py::object& deadline, const py::object& wait) {
  SubmitOptions options;
  options.priority = priority;
  if (!deadline.is_none()) {
    options.deadline = microseconds("deadline", py::cast<double>(deadline));
    options.deadline = std::max(options.deadline, std::chrono::microseconds(1));
  }
  if (!wait.is_none()) options.wait = microseconds("wait", py::cast<double>(wait));
  return options;
}

// A submission in flight, of which `made` becomes the caller's arrays.
template <class Made>
InFlight* new_flight(const py::object& self, const py::object& future, const py::object& outputs,
                     std::shared_ptr<Made> made, std::shared_ptr<const Executable> executable,
                     int64_t length, int64_t rows) {
  auto flight = std::make_unique<InFlight>();
  flight->future = future;
  flight->owner = self;
  if (outputs.is_none()) {
    // The owner stays with the flight.
    const PackingContract& contract = py::cast<const PackRunnerHandle&>(self).contract;
    flight->result = [made, executable, &contract]() -> py::object {
      if constexpr (std::is_same_v<Made, JoinedAnswer>)
        return answer_arrays(*made, executable->metadata);
      else
        return answer_arrays(*made, executable->metadata, contract);
    };
    return flight.release();
  }
  HeldOutputs out = hold_outputs(outputs, executable->metadata);
  check_room(out.views, executable->metadata, length, rows);
  flight->keep = std::move(out.keep);
  flight->result = [made, executable, out = std::move(out)]() -> py::object {
    if constexpr (std::is_same_v<Made, JoinedAnswer>)
      fill_answer(made->answer, executable->metadata, out.views);
    else
      fill_answer(*made, executable->metadata, out.views);
    return out.arrays;
  };
  return flight.release();
}

void finish(InFlight* flight, Status status, const std::vector<NotFinite>& not_finite) {
  flight->status = std::move(status);
  flight->not_finite = not_finite;
  Completions::instance().push(std::unique_ptr<InFlight>(flight));
}

py::object submit_batch(const py::object& self, const HeldInputs& in, BatchSize size,
                        const py::object& outputs, const SubmitOptions& options,
                        const py::object& future) {
  const auto& handle = py::cast<const PackRunnerHandle&>(self);
  std::shared_ptr<PackRunner> runner = handle.runner.get();
  const Request batch = value_of(request_from(in.views));
  std::vector<Request> rows = value_of(split_rows(batch, handle.contract.ids_input));
  auto joined = std::make_shared<JoinedAnswer>();
  InFlight* flight =
      new_flight(self, future, outputs, joined, handle.executable, size.width, size.rows);
  const auto done = [flight, joined, width = size.width, &handle,
                     executable = handle.executable](Expected<std::vector<Answer>> answers) {
    Status status = guarded("pack runner", [&]() -> Status {
      const std::vector<Answer> rows = TRY(std::move(answers));
      *joined = join_answers(executable->metadata, handle.contract, width, rows);
      return {};
    });
    finish(flight, std::move(status), joined->answer.not_finite);
  };
  auto taken = without_gil(
      [&] { return RowCall::submit(std::move(runner), std::move(rows), options, done); });
  if (!taken.ok()) delete flight;
  return py::cast(RowCallHandle{value_of(std::move(taken))});
}

// `future` gets the answer or the exception. Returns what cancel takes.
py::object submit_request(const py::object& self, const py::object& request,
                          const py::object& outputs, int32_t priority, const py::object& deadline,
                          const py::object& wait, const py::object& future) {
  const auto& handle = py::cast<const PackRunnerHandle&>(self);
  std::shared_ptr<PackRunner> runner = handle.runner.get();
  const HeldInputs in = hold_inputs(request);
  const SubmitOptions options = submit_options(priority, deadline, wait);
  if (const auto batch = batch_in(in.views, handle.contract))
    return submit_batch(self, in, *batch, outputs, options, future);
  auto answer = std::make_shared<Answer>();
  InFlight* flight =
      new_flight(self, future, outputs, answer, handle.executable, longest(in.views), 1);
  auto taken = without_gil([&] {
    auto id = runner->submit_arrays(in.views, options, [flight, answer](Expected<Answer> done) {
      Status status = done.ok() ? Status() : Status(std::move(done.error()));
      if (done.ok()) *answer = done.take();
      finish(flight, std::move(status), answer->not_finite);
    });
    runner.reset();  // the last one, if another thread closes it now
    return id;
  });
  if (!taken.ok()) delete flight;
  return py::int_(value_of(std::move(taken)));
}

template <class Call>
void call_without_gil(const PackRunnerHandle& handle, Call call) {
  std::shared_ptr<PackRunner> runner = handle.runner.get();
  without_gil([&] {
    call(*runner);
    runner.reset();
    return true;
  });
}

void close_runner(PackRunnerHandle& handle) {
  std::shared_ptr<PackRunner> runner = handle.runner.take();
  if (!runner) return;
  without_gil([&] {
    runner->close();  // also for those who are in a call of it now
    runner.reset();
    return true;
  });
}

py::list records(const PackRunnerHandle& handle) {
  py::list list;
  for (const BatchRecord& record : handle.runner.get()->records())
    list.append(py::make_tuple(record.batch, record.requests, record.tokens,
                               std::string(to_string(record.reason)), record.host_seconds));
  return list;
}

py::dict metrics(const PackRunnerHandle& handle) {
  using namespace py::literals;
  const OnlineMetrics m = handle.runner.get()->metrics();
  py::dict rejected, batches;
  for (const auto& [type, number] : m.rejected) rejected[py::str(type)] = number;
  for (const CloseReason reason : kCloseReasons)
    batches[py::str(std::string(to_string(reason)))] = m.batches[static_cast<size_t>(reason)];
  return py::dict("queue_requests"_a = m.queue_requests, "queue_tokens"_a = m.queue_tokens,
                  "admitted"_a = m.admitted, "answered"_a = m.answered, "failed"_a = m.failed,
                  "not_finite"_a = m.not_finite, "cancelled"_a = m.cancelled,
                  "missed_waiting"_a = m.missed_waiting, "missed_answered"_a = m.missed_answered,
                  "rejected"_a = rejected, "batches"_a = batches, "token_fill"_a = m.token_fill(),
                  "segment_fill"_a = m.segment_fill(),
                  "prometheus"_a = prometheus_text(m, handle.executable->metadata.model_name));
}

}  // namespace

void bind_pack_runner(py::module_& module) {
  const py::class_<RowCallHandle> row_call(module, "RowCall");
  py::class_<PackRunnerHandle>(module, "PackRunner")
      .def(py::init(&make_pack_runner))
      .def("submit", submit_request)
      .def("cancel",
           [](const PackRunnerHandle& handle, RequestId id) {
             std::shared_ptr<PackRunner> runner = handle.runner.get();
             return without_gil([&] { return runner->cancel(id); });
           })
      .def("cancel",
           [](const PackRunnerHandle&, const RowCallHandle& rows) {
             return without_gil([&] {
               rows.call->cancel();
               return true;
             });
           })
      .def("flush",
           [](const PackRunnerHandle& handle) {
             call_without_gil(handle, [](PackRunner& r) { r.flush(); });
           })
      .def("drain",
           [](const PackRunnerHandle& handle) {
             call_without_gil(handle, [](PackRunner& r) { r.drain(); });
           })
      .def("records", records)
      .def("metrics", metrics)
      .def("close", close_runner)
      .def("closed", [](const PackRunnerHandle& handle) { return handle.runner.closed(); })
      .def("executable", [](const PackRunnerHandle& handle) {
        return ExecutableHandle{handle.executable, {}, {}};
      });
}

}  // namespace tessera::python
