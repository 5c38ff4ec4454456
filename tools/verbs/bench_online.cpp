// SPDX-License-Identifier: Apache-2.0
#include "tools/verbs/bench_online.h"

#include <fmt/format.h>

#include <optional>

#include "serving/metrics.h"
#include "serving/online_bench.h"
#include "serving/online_record.h"
#include "serving/replay.h"
#include "support/file.h"
#include "tools/flags/flags.h"
#include "tools/print/csv_table.h"
#include "tools/print/print.h"
#include "tools/print/progress.h"
#include "tools/print/terminal.h"
#include "tools/verbs/bench_online_setup.h"
#include "tools/verbs/online_report.h"

namespace tessera::tools {
namespace {

// Batch number --explain, or the one in the middle.
Status print_explained(const po::variables_map& flags, const OnlineSetup& setup,
                       const std::vector<FormedBatch>& batches) {
  if (!flags.count("explain") || batches.empty()) return {};
  auto number = flags["explain"].as<int64_t>();
  if (number < 0) number = std::ssize(batches) / 2;
  if (number >= std::ssize(batches))
    return Error{fmt::format("--explain: batch {}, must be in 0..{}", number, batches.size() - 1),
                 ErrorKind::Usage};
  print("\n{}",
        Picture{explain(setup.contract, setup.former(), batches[static_cast<size_t>(number)],
                        {row_columns(), TRY(in_colour(flags))})});
  return {};
}

// The line of progress is gone when this returns.
Expected<OnlineFigures> run_with_progress(OnlineSetup& setup, const FormerRecorder& record) {
  Progress progress("bench");
  return run_online(setup, record,
                    [&](int64_t done, int64_t all) { progress.step("requests sent", done, all); });
}

Status run_plan(const po::variables_map& flags) {
  OnlineSetup setup = TRY(setup_of(flags));
  std::optional<OnlineLog> log;
  if (flags.count("record")) {
    const auto clock =
        flags["virtual"].as<bool>() ? RecordClock::Kind::Virtual : RecordClock::Kind::Host;
    log = TRY(OnlineLog::create(flags["record"].as<std::string>(), setup.contract, setup.former(),
                                clock));
  }
  const FormerRecorder record = [&](const FormerEvent& event) {
    if (log) log->write(event);
  };
  const OnlineFigures figures = TRY(run_with_progress(setup, record));
  if (log) TRY(log->close());
  if (flags.count("prometheus")) {
    const std::string model =
        setup.runner == nullptr ? "virtual" : setup.runner->executable().metadata.model_name;
    TRY(write_file_atomic(flags["prometheus"].as<std::string>(),
                          prometheus_text(figures.metrics, model)));
  }
  const nlohmann::ordered_json json = to_json(figures);
  if (flags.count("csv")) TRY(write_csv(flags["csv"].as<std::string>(), std::span(&json, 1)));
  if (flags["json"].as<bool>()) {
    print_json(json, 2);
    return {};
  }
  print_figures(figures);
  return print_explained(flags, setup, figures.batches);
}

Status run_again(const po::variables_map& flags) {
  const auto path = flags["replay"].as<std::string>();
  const RecordedRun run = TRY(read_online_log(path, TRY(limits_of(flags))));
  OnlineSetup setup;
  setup.contract = run.contract;
  setup.former() = run.config;
  auto batches = replay_as_recorded(run);
  if (!batches)
    return Error{path + ": " + batches.error().message, batches.error().kind, batches.error().type};
  const size_t count = batches->size();
  if (flags["json"].as<bool>()) {
    const nlohmann::ordered_json json = {
        {"schema",  "tessera-bench-replay/1"},
        {"batches", count                   },
        {"events",  run.events.size()       },
        {"same",    true                    }
    };
    print_json(json, 2);
    return {};
  }
  print("{} events replayed to the same {} batches\n", run.events.size(), count);
  return print_explained(flags, setup, *batches);
}

}  // namespace

po::options_description online_flags() {
  po::options_description online = online_setup_flags();
  online.add_options()("online", po::bool_switch(),
                       "requests come one by one, and batches are closed as docs/runtime.md says")(
      "record", po::value<std::string>(), "write what happened as JSON lines")(
      "replay", po::value<std::string>(), "do a record again: the same events, the same batches")(
      "prometheus", po::value<std::string>(), "write the metrics as Prometheus' text")(
      "explain", po::value<int64_t>()->implicit_value(-1),
      "draw this batch (without a number: one in the middle) and say why it was closed");
  online.add(colour_flags());
  return online;
}

Status refuse_online_flags(const po::variables_map& flags) {
  const po::options_description online = online_flags();
  for (const auto& flag : online.options()) {
    const std::string& name = flag->long_name();
    if (flags.count(name) == 0 || flags[name].defaulted()) continue;
    return Error{fmt::format("--{}: is for --online, must be left out without it", name),
                 ErrorKind::Usage};
  }
  return {};
}

Status bench_online(const po::variables_map& flags) {
  // Requests come as they are told to, and the runner warms itself up.
  for (const char* name : {"warm_up", "duration", "iterations"})
    if (!flags[name].defaulted())
      return Error{
          fmt::format("--{}: is for benches without --online, must be left out; --requests "
                      "says how many come",
                      name),
          ErrorKind::Usage};
  if (flags.count("replay") && flags.count("csv"))
    return Error{"--csv: a replay has no figures, must be left out with --replay",
                 ErrorKind::Usage};
  return flags.count("replay") ? run_again(flags) : run_plan(flags);
}

}  // namespace tessera::tools
