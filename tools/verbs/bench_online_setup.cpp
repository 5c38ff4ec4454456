// SPDX-License-Identifier: Apache-2.0
#include "tools/verbs/bench_online_setup.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tools/files/tensors.h"
#include "tools/flags/flags.h"
#include "tools/flags/runner_flags.h"
#include "tools/flags/stranger_flags.h"

namespace tessera::tools {
namespace {

using Words = std::vector<std::string>;

bool is_virtual(const po::variables_map& flags) { return flags["virtual"].as<bool>(); }

// None for a virtual run by --rows and --row_length.
Expected<std::shared_ptr<ModelRunner>> runner_of(const po::variables_map& flags) {
  if (flags["sandbox"].as<bool>())
    return Error{"bench --online: reads and writes logs as it goes, must be without --sandbox",
                 ErrorKind::Usage};
  const Words paths = flags.count("executables") ? flags["executables"].as<Words>() : Words();
  if (paths.size() > 1)
    return Error{"bench --online: several executables, must be one", ErrorKind::Usage};
  if (paths.empty() && !is_virtual(flags))
    return Error{
        "bench --online: no executable, must be one, or --virtual with --rows and "
        "--row_length",
        ErrorKind::Usage};
  if (paths.empty()) return std::shared_ptr<ModelRunner>();
  MachineOptions machine = TRY(machine_options(flags));
  machine.require_signature = TRY(required_key(flags));
  return std::shared_ptr<ModelRunner>(TRY(
      load_runner(TRY(open_popef(paths[0], machine.require_signature, machine.limits)), machine)));
}

// Bench decides some options itself: warm_up is always on where batches are run, records are not
// read, the requests have no mask; and it has some flags without --online too.
bool is_online_flag(const RunnerOptionRow& row) {
  for (const char* name : {"policy", "timeout", "warm_up", "max_records", "strip_padding"})
    if (row.name == name) return false;
  return true;
}

// Flags of the one clock are of no use with the other.
Status check_clock(const po::variables_map& flags, const ModelRunner* runner) {
  if (!is_virtual(flags) && !flags["batch_microseconds"].defaulted())
    return Error{
        "--batch_microseconds: is for --virtual, must be left out where the host's time "
        "counts",
        ErrorKind::Usage};
  if (is_virtual(flags) && !flags["batch_time"].defaulted())
    return Error{
        "--batch_time: is for the host's time, must be left out with --virtual "
        "(--batch_microseconds says how long a batch takes)",
        ErrorKind::Usage};
  if (is_virtual(flags) && runner == nullptr && flags["batch_microseconds"].as<int64_t>() == 0)
    return Error{
        "bench --online: nothing says how long a batch takes, must be an executable or "
        "--batch_microseconds",
        ErrorKind::Usage};
  return {};
}

Expected<OnlineLoadOptions> load_options(const po::variables_map& flags) {
  const bool trace = flags.count("trace") > 0;
  if (!flags["rate"].defaulted() + trace + !flags["clients"].defaulted() != 1)
    return Error{
        "bench --online: must have one of --rate R, --trace FILE, --clients N and --replay "
        "FILE",
        ErrorKind::Usage};
  OnlineLoadOptions options;
  options.is_virtual = is_virtual(flags);
  options.rate = flags["rate"].as<double>();
  options.clients = flags["clients"].as<int64_t>();
  if (trace) options.trace = TRY(read_trace(flags["trace"].as<std::string>()));
  options.requests = flags["requests"].as<int64_t>();
  options.avg_seq_len = flags["avg_seq_len"].as<double>();
  options.max_seq_len = flags["max_seq_len"].as<int64_t>();
  options.deadline = TRY(microseconds_flag(flags, "deadline_microseconds"));
  options.vocab = flags["vocab"].as<int64_t>();
  options.seed = flags["seed"].as<uint32_t>();
  return options;
}

// Errors of options name them; here they are flags.
Error of_flag(const po::variables_map& flags, Error error) {
  const std::string name = error.message.substr(0, error.message.find_first_of(":,"));
  if (flags.count(name)) {
    error.message = "--" + error.message;
  } else if (error.kind == ErrorKind::Usage) {
    error.message = "bench --online: " + error.message;
  }
  return error;
}

}  // namespace

po::options_description online_setup_flags() {
  po::options_description online("Online (with --online)");
  const auto number = [](int64_t usual) { return po::value<int64_t>()->default_value(usual); };
  online.add_options()("rate", po::value<double>()->default_value(0),
                       "requests a second, which come as a Poisson process")(
      "trace", po::value<std::string>(),
      "requests come as a CSV file says: a first line seconds,length[,priority"
      "[,deadline_microseconds]], then a request a line")(
      "clients", number(0),
      "number of clients, each of which sends a request after its last answer")(
      "requests", number(2000), "how many come, with --rate or --clients")(
      "deadline_microseconds", number(0), "of each, from its arrival on; 0: none")(
      "virtual", po::bool_switch(),
      "virtual time: nothing is run, each batch takes the modelled time; deterministic")(
      "batch_microseconds", number(0), "--virtual: what a batch takes; 0: as modelled")(
      "rows", number(16), "--virtual without an executable: rows of a batch (form B)")(
      "row_length", number(256), "and their tokens");
  add_runner_flags(online, is_online_flag);
  return online;
}

Expected<OnlineSetup> setup_of(const po::variables_map& flags) {
  std::shared_ptr<ModelRunner> runner = TRY(runner_of(flags));
  OnlineBenchOptions options;
  if (is_virtual(flags)) options.runner = virtual_runner_options();
  TRY(set_runner_options(flags, options.runner));
  TRY(check_clock(flags, runner.get()));
  options.load = TRY(load_options(flags));
  options.batch_time = TRY(microseconds_flag(flags, "batch_microseconds"));
  options.rows = TRY(number_flag(flags, "rows", 1, 1 << 20));
  options.row_length = TRY(number_flag(flags, "row_length", 1, 1 << 20));
  auto setup = online_setup(std::move(runner), options);
  if (!setup) return of_flag(flags, setup.error());
  return setup;
}

}  // namespace tessera::tools
