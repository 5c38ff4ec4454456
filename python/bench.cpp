// SPDX-License-Identifier: Apache-2.0
// tessera.bench: executables under synthetic load.
#include "serving/bench.h"

#include <pybind11/stl.h>

#include "python/bindings.h"
#include "python/errors.h"
#include "python/executable.h"
#include "python/gil.h"
#include "python/options.h"

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
  using Json = nlohmann::ordered_json;
  return to_json(result).dump(-1, ' ', true, Json::error_handler_t::replace);
}

}  // namespace

void bind_bench(py::module_& module) { module.def("bench", bench_executables); }

}  // namespace tessera::python
