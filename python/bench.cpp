// SPDX-License-Identifier: Apache-2.0
// tessera.bench: executables under synthetic load.
#include "serving/bench.h"

#include <pybind11/stl.h>

#include <cmath>
#include <optional>

#include "python/bindings.h"
#include "python/errors.h"
#include "python/executable.h"
#include "python/gil.h"
#include "python/options.h"
#include "serving/online_bench.h"
#include "serving/online_record.h"

namespace tessera::python {
namespace {

BenchOptions bench_options(const py::dict& settings) {
  const auto number = [&](const char* name) { return settings[name].cast<int64_t>(); };
  BenchOptions options;
  options.iterations = number("iterations");
  options.avg_seq_len = settings["avg_seq_len"].cast<double>();
  options.max_seq_len = number("max_seq_len");
  options.vocab = number("vocab");
  options.seed = settings["seed"].cast<uint32_t>();
  Expected<PackPolicy> policy = parse_policy(settings["policy"].cast<std::string>());
  if (!policy) raise(Error{"policy: " + policy.error().message, policy.error().kind});
  options.rule = *policy;
  options.timeout = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::duration<double>(settings["timeout"].cast<double>()));
  options.warm_up = settings["warm_up"].cast<double>();
  options.duration = settings["duration"].cast<double>();
  return options;
}

// As the command line writes it.
std::string text_of(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
}

// JSON. `executables`: ((name, executable), …).
std::string bench_executables(const py::list& executables, const py::dict& settings, int threads,
                              const py::object& limits) {
  const BenchOptions options = bench_options(settings);
  const MachineOptions machine = machine_options(threads, false, limits_of(limits));
  std::vector<std::pair<std::string, std::shared_ptr<const Executable>>> programs;
  for (const py::handle& one : executables) {
    const auto pair = one.cast<py::tuple>();
    programs.emplace_back(pair[0].cast<std::string>(),
                          pair[1].cast<const ExecutableHandle&>().executable);
  }
  const BenchResult result = value_of(without_gil([&]() -> Expected<BenchResult> {
    TRY(check_bench_options(options));
    std::vector<BenchedExecutable> benched;
    for (const auto& [name, program] : programs)
      benched.push_back({name, TRY(ModelRunner::create(program, machine))});
    return bench(benched, options);
  }));
  return text_of(to_json(result));
}

Time time_of(const char* name, double seconds) {
  if (seconds >= 0 && seconds <= 1e9) return Time(std::llround(seconds * 1e9));
  raise(Error{std::string(name) + ": " + std::string(py::str(py::float_(seconds))) +
                  ", must be seconds, 0 or more",
              ErrorKind::Usage});
}

// `online`: every key of tessera.OnlineLoad but `record`. `drawn`: (avg_seq_len, max_seq_len,
// vocab, seed).
OnlineBenchOptions online_options(const py::dict& online, const py::tuple& drawn) {
  OnlineBenchOptions options;
  options.load.is_virtual = online["virtual"].cast<bool>();
  const auto usual = options.load.is_virtual ? virtual_runner_options() : RunnerOptions();
  options.runner = runner_options(online["runner"].cast<py::dict>(), usual);
  options.load.rate = online["rate"].cast<double>();
  options.load.clients = online["clients"].cast<int64_t>();
  options.load.requests = online["requests"].cast<int64_t>();
  options.load.deadline = time_of("deadline", online["deadline"].cast<double>());
  options.load.avg_seq_len = drawn[0].cast<double>();
  options.load.max_seq_len = drawn[1].cast<int64_t>();
  options.load.vocab = drawn[2].cast<int64_t>();
  options.load.seed = drawn[3].cast<uint32_t>();
  if (!online["trace"].is_none())
    options.load.trace = value_of(read_trace(path_of(online["trace"], "trace")));
  options.batch_time = time_of("batch_seconds", online["batch_seconds"].cast<double>());
  options.rows = online["rows"].cast<int64_t>();
  options.row_length = online["row_length"].cast<int64_t>();
  return options;
}

Expected<OnlineFigures> run_recorded(OnlineSetup& setup, const std::string& record) {
  if (record.empty()) return run_online(setup);
  const auto clock = setup.is_virtual ? RecordClock::Kind::Virtual : RecordClock::Kind::Host;
  OnlineLog log = TRY(OnlineLog::create(record, setup.contract, setup.former(), clock));
  OnlineFigures figures =
      TRY(run_online(setup, [&](const FormerEvent& event) { log.write(event); }));
  TRY(log.close());
  return figures;
}

// JSON. `executable`: None for a virtual run without one.
std::string bench_online(const py::object& executable, const py::dict& online,
                         const py::tuple& drawn, int threads, const py::object& limits) {
  const OnlineBenchOptions options = online_options(online, drawn);
  const MachineOptions machine = machine_options(threads, false, limits_of(limits));
  const std::string record = online["record"].is_none() ? "" : path_of(online["record"], "record");
  std::shared_ptr<const Executable> program;
  if (!executable.is_none()) program = executable.cast<const ExecutableHandle&>().executable;
  return text_of(to_json(value_of(without_gil([&]() -> Expected<OnlineFigures> {
    std::shared_ptr<ModelRunner> runner;
    if (program) runner = TRY(ModelRunner::create(program, machine));
    OnlineSetup setup = TRY(online_setup(std::move(runner), options));
    return run_recorded(setup, record);
  }))));
}

}  // namespace

void bind_bench(py::module_& module) {
  module.def("bench", bench_executables);
  module.def("bench_online", bench_online);
}

}  // namespace tessera::python
