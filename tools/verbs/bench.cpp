// SPDX-License-Identifier: Apache-2.0
// tessera bench: flags and figures of serving/bench.h; --online is in bench_online.cpp.
#include "serving/bench.h"

#include <fmt/format.h>

#include "serving/latencies.h"
#include "support/human.h"
#include "tools/files/outputs.h"
#include "tools/files/tensors.h"
#include "tools/flags/flags.h"
#include "tools/flags/stranger_flags.h"
#include "tools/print/csv_table.h"
#include "tools/print/print.h"
#include "tools/print/progress.h"
#include "tools/sandbox/sandboxed.h"
#include "tools/verbs/bench_online.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

using Words = std::vector<std::string>;

po::options_description bench_flags() {
  po::options_description workload("Workload");
  workload.add_options()("executables", po::value<Words>(),
                         "PADDED.popef and any number of packed ones; or one executable alone")(
      "iterations", po::value<int64_t>()->default_value(4),
      "batches' worth of requests (rows times this); of one executable alone: batches")(
      "warm_up", po::value<double>()->default_value(0),
      "seconds of batches before those that are measured; at least one batch")(
      "duration", po::value<double>()->default_value(0),
      "seconds to measure at least: the same is done again until then")(
      "avg_seq_len", po::value<double>()->default_value(128),
      "mean and deviation of the normal distribution that lengths are drawn from")(
      "max_seq_len", po::value<int64_t>()->default_value(0),
      "longest request; 0: the executable's row length")(
      "vocab", po::value<int64_t>()->default_value(0),
      "token ids are below this; 0: the size of the executable's table of tokens")(
      "seed", po::value<uint32_t>()->default_value(2023), "of NumPy's legacy generator")(
      "policy", po::value<std::string>()->default_value("first_fit", "first_fit, --online: window"),
      "how requests are chosen: next_fit, first_fit, best_fit or window")(
      "timeout_microseconds", po::value<int64_t>()->default_value(15000),
      "online: longest wait of a batch's first request")(
      "csv", po::value<std::string>(),
      "also write the figures as a table, a row for each executable and way")(
      "json", po::bool_switch(), "print the figures as JSON");
  po::options_description all;
  all.add(workload).add(online_flags()).add(machine_flags()).add(stranger_flags());
  all.add(limit_flags());
  return all;
}

// " p50 1.20 ms p90 …"
std::string in_quantiles(const Latencies& latencies) {
  std::string text;
  for (const auto& [name, share] : kQuantiles)
    text += fmt::format(" {} {}", name, human_seconds(latencies.at(share)));
  return text;
}

// The first line of each is the chapter's own wording, so that the two can be laid side by side.
void print_requests(const BenchRun& run) {
  const double count = static_cast<double>(run.requests);
  if (run.label == "Pack Offline") print("\nPacked, form {}\n", to_string(run.form));
  print("[{}] Throughput: {:.4f} samples/s, Latency: {:.4f} ms (host)\n", run.label,
        count / run.host_seconds, run.host_seconds / count * 1e3);
  print("    modelled IPU: {:.1f} samples/s, {:.4f} ms\n", count / run.modelled_ipu_seconds,
        run.modelled_ipu_seconds / count * 1e3);
  print("    {} requests in {} batches, {:.1f} % of the row tokens used", run.requests, run.batches,
        100 * run.fill());
  for (const auto& [reason, batches] : run.closed_for)
    print("; {} closed by {}", batches, to_string(reason));
  print("\n    a batch on the host:{}\n", in_quantiles(Latencies(run.batch_seconds)));
  if (!run.latencies.empty())
    print("    submit to answer:{}\n", in_quantiles(Latencies(run.latencies)));
}

void print_batches(const BenchRun& run) {
  const double count = static_cast<double>(run.batches);
  const Latencies latencies(run.batch_seconds);
  const double ipu = run.modelled_ipu_seconds / count;
  print("host:         {:.2f} batches/s; a batch takes {} in the mean,{} ({} runs)\n",
        count / run.host_seconds, human_seconds(latencies.mean()), in_quantiles(latencies),
        run.batches);
  print("modelled IPU: {:.1f} batches/s; a batch takes {}\n", 1 / ipu, human_seconds(ipu));
}

// The messages while it runs, as text.
BenchWatcher watcher_of(Progress& progress, bool as_json) {
  BenchWatcher watcher;
  watcher.progress = [&](const std::string& what, int64_t done, int64_t all) {
    progress.step(what, done, all);
  };
  if (as_json) return watcher;
  watcher.run = [](const BenchRun& run) {
    if (run.requests > 0)
      print_requests(run);
    else
      print_batches(run);
  };
  watcher.difference = [](const BenchDifference& one) {
    print("{} average mae, {} against {}: {:.3g}\n", one.output, one.a, one.b, one.mae);
  };
  return watcher;
}

// Errors of options name them; here they are flags.
Error of_flag(Error error) {
  error.message = "--" + error.message;
  return error;
}

Expected<BenchOptions> bench_options(const po::variables_map& flags) {
  BenchOptions options;
  options.iterations = flags["iterations"].as<int64_t>();
  options.avg_seq_len = flags["avg_seq_len"].as<double>();
  options.max_seq_len = flags["max_seq_len"].as<int64_t>();
  options.vocab = flags["vocab"].as<int64_t>();
  options.seed = flags["seed"].as<uint32_t>();
  auto policy = parse_policy(flags["policy"].as<std::string>());
  if (!policy) return Error{"--policy: " + policy.error().message, ErrorKind::Usage};
  options.rule = *policy;
  options.timeout = std::chrono::microseconds(flags["timeout_microseconds"].as<int64_t>());
  options.warm_up = flags["warm_up"].as<double>();
  options.duration = flags["duration"].as<double>();
  if (Status checked = check_bench_options(options); !checked.ok()) return of_flag(checked.error());
  return options;
}

Status run_executables(const po::variables_map& flags, const std::vector<PopefFile>& files,
                       const MachineOptions& machine, const BenchOptions& options) {
  const bool as_json = flags["json"].as<bool>();
  Progress progress("bench");
  std::vector<BenchedExecutable> executables;
  for (const PopefFile& file : files) {
    progress.step("loading " + file.path);
    executables.push_back({file.path, TRY(load_runner(file, machine))});
  }
  const auto result = bench(executables, options, watcher_of(progress, as_json));
  if (!result)
    return result.error().message.starts_with("vocab: ") ? of_flag(result.error()) : result.error();
  if (flags.count("csv")) {
    std::vector<nlohmann::ordered_json> rows;
    for (const BenchRun& run : result->runs) rows.push_back(to_json(run));
    TRY(write_csv(flags["csv"].as<std::string>(), rows));
  }
  if (as_json) print_json(to_json(*result), 2);
  return {};
}

Status do_bench(const po::variables_map& flags) {
  if (flags.count("csv")) TRY(check_output_file(flags["csv"].as<std::string>()));
  if (flags["online"].as<bool>()) return bench_online(flags);
  TRY(refuse_online_flags(flags));
  const Words paths = flags.count("executables") ? flags["executables"].as<Words>() : Words();
  if (paths.empty())
    return Error{"bench: no executable, must be PADDED.popef [PACKED.popef …]", ErrorKind::Usage};
  const bool sandbox = flags["sandbox"].as<bool>();
  if (sandbox && flags.count("csv"))
    return Error{
        "--csv: a sandbox writes no file, must be left out with --sandbox (--json says "
        "the same)",
        ErrorKind::Usage};
  const BenchOptions options = TRY(bench_options(flags));
  MachineOptions machine = TRY(machine_options(flags));
  machine.require_signature = TRY(required_key(flags));
  std::vector<PopefFile> files;
  for (const std::string& path : paths)
    files.push_back(TRY(open_popef(path, machine.require_signature, machine.limits)));
  if (!sandbox) return run_executables(flags, files, machine, options);
  machine.cache_folder = "";  // code that a stranger's file made stays in there
  return run_in_sandbox({}, machine.limits, write_outputs, [&](const WriteOutputs&) {
    return run_executables(flags, files, machine, options);
  });
}

}  // namespace

Verb bench_verb() {
  return {"measure executables: the packing chapter's runs, one repeated, or requests as they come",
          "PADDED.popef [PACKED.popef …] | --online [PACKED.popef] [FLAGS]",
          "tessera bench padded.popef packed_a.popef packed_b.popef --iterations 100\n"
          "  tessera bench bert.popef --warm_up 2 --duration 30 --csv bench.csv",
          bench_flags,
          "executables",
          do_bench};
}

}  // namespace tessera::tools
