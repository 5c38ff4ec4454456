// SPDX-License-Identifier: Apache-2.0
#include "tools/bench_online.h"

#include <fmt/format.h>

#include <atomic>
#include <optional>
#include <thread>

#include "serving/online_record.h"
#include "serving/pack_runner.h"
#include "serving/replay.h"
#include "support/file.h"
#include "support/guard.h"
#include "tools/bench_online_plan.h"
#include "tools/csv_table.h"
#include "tools/online_report.h"
#include "tools/print.h"
#include "tools/progress.h"
#include "tools/terminal.h"

namespace tessera::tools {
namespace {

using Clock = std::chrono::steady_clock;

Time absolute(Time deadline, Time at) { return deadline == kNever ? kNever : at + deadline; }

Expected<OnlineFigures> run_in_virtual_time(const OnlinePlan& plan, const FormerRecorder& record) {
  VirtualOptions options{plan.contract, plan.former(), plan.former().batch_time, record};
  std::vector<TimedArrival> arrivals = plan.arrivals;
  for (TimedArrival& arrival : arrivals)
    arrival.arrival.deadline = absolute(arrival.arrival.deadline, arrival.at);
  size_t sent = arrivals.size();
  NextArrival next;
  if (plan.clients > 0) {
    sent = std::min(sent, static_cast<size_t>(plan.clients));
    arrivals.resize(sent);
    next = [&](Time now) -> std::optional<TimedArrival> {
      if (sent == plan.arrivals.size()) return {};
      Arrival arrival = plan.arrivals[sent++].arrival;
      arrival.deadline = absolute(arrival.deadline, now);
      return TimedArrival{now, arrival};
    };
  }
  VirtualRun run = TRY(run_virtual(options, arrivals, next));
  OnlineFigures figures;
  figures.clock = "virtual";
  for (const Time latency : run.latencies)
    figures.latencies.push_back(std::chrono::duration<double>(latency).count());
  figures.seconds = std::chrono::duration<double>(run.end - arrivals.front().at).count();
  figures.metrics = run.metrics;
  return figures;
}

// The requests of a plan through a PackRunner, each at its time or from its client.
class HostRun {
 public:
  HostRun(const OnlinePlan& plan, PackRunner& runner)
      : plan_(plan), runner_(runner), latencies_(plan.arrivals.size(), -1) {}

  Expected<OnlineFigures> run() {
    began_ = Clock::now();
    if (plan_.clients > 0) {
      TRY(run_clients());
    } else {
      send_on_time();
    }
    runner_.drain();
    const Clock::time_point end = Clock::now();
    runner_.close();
    OnlineFigures figures;
    figures.clock = "host";
    for (const double latency : latencies_)
      if (latency >= 0) figures.latencies.push_back(latency);
    figures.seconds =
        std::chrono::duration<double>(end - began_ - plan_.arrivals.front().at).count();
    figures.metrics = runner_.metrics();
    return figures;
  }

 private:
  Status run_clients() {
    std::vector<std::thread> clients;
    clients.reserve(static_cast<size_t>(plan_.clients));
    Status started;
    for (int64_t i = 0; i < plan_.clients && started.ok(); ++i) {
      auto client = start_thread("--clients", [this] { be_client(); });
      if (client) clients.push_back(client.take());
      if (!client) started = std::move(client.error());
    }
    for (std::thread& client : clients) client.join();
    return started;
  }

  Request request_of(size_t i) const {
    Request request;
    for (const std::string& name : plan_.contract.token_inputs) {
      const SyntheticRequest& drawn = plan_.workload[i];
      request.tokens[name] = name == plan_.contract.ids_input ? drawn.ids : drawn.types;
    }
    return request;
  }

  SubmitOptions options_of(size_t i) const {
    SubmitOptions options;
    const Arrival& arrival = plan_.arrivals[i].arrival;
    options.priority = arrival.priority;
    if (arrival.deadline != kNever)
      options.deadline = std::chrono::duration_cast<std::chrono::microseconds>(arrival.deadline);
    options.wait = std::chrono::microseconds(0);
    return options;
  }

  void send_on_time() {
    Progress progress("bench");
    for (size_t i = 0; i < plan_.arrivals.size(); ++i) {
      const Clock::time_point at = began_ + plan_.arrivals[i].at;
      Request request = request_of(i);
      std::this_thread::sleep_until(at);
      const Clock::time_point submitted = Clock::now();
      // What is refused is counted by the runner.
      const auto id = runner_.submit(std::move(request), options_of(i), [=, this](auto answer) {
        if (answer) latencies_[i] = seconds_since(submitted);
      });
      if (id)
        progress.step("requests sent", static_cast<int64_t>(i) + 1, std::ssize(plan_.arrivals));
    }
  }

  void be_client() {
    for (size_t i = next_++; i < plan_.arrivals.size(); i = next_++) {
      SubmitOptions options = options_of(i);
      options.wait = std::chrono::microseconds::max();
      const Clock::time_point submitted = Clock::now();
      auto submission = runner_.submit(request_of(i), options);
      if (submission && submission->answer.get()) latencies_[i] = seconds_since(submitted);
    }
  }

  static double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

  const OnlinePlan& plan_;
  PackRunner& runner_;
  Clock::time_point began_;
  std::vector<double> latencies_;  // by request; below 0: no answer
  std::atomic<size_t> next_{0};
};

// Leaves in the plan how long a batch took.
Expected<OnlineFigures> run_on_host(OnlinePlan& plan, const FormerRecorder& record) {
  PackRunnerConfig config = plan.options.runner;
  config.warm_up = true;
  config.record = [&](const FormerEvent& event) {
    if (event.kind == FormerEvent::Kind::BatchTime) plan.former().batch_time = event.batch_time;
    record(event);
  };
  const std::unique_ptr<PackRunner> runner =
      TRY(PackRunner::create(plan.runner, config, plan.options.requests));
  return HostRun(plan, *runner).run();
}

// Batch number --explain, or the one in the middle.
Status print_explained(const po::variables_map& flags, const OnlinePlan& plan,
                       const std::vector<FormedBatch>& batches) {
  if (!flags.count("explain") || batches.empty()) return {};
  auto number = flags["explain"].as<int64_t>();
  if (number < 0) number = std::ssize(batches) / 2;
  if (number >= std::ssize(batches))
    return Error{fmt::format("--explain: batch {}, must be in 0..{}", number, batches.size() - 1),
                 ErrorKind::Usage};
  print("\n{}", Picture{explain(plan.contract, plan.former(), batches[static_cast<size_t>(number)],
                                {row_columns(), TRY(in_colour(flags))})});
  return {};
}

Status run_plan(const po::variables_map& flags) {
  OnlinePlan plan = TRY(online_plan(flags));
  std::optional<OnlineLog> log;
  if (flags.count("record")) {
    const auto clock =
        flags["virtual"].as<bool>() ? RecordClock::Kind::Virtual : RecordClock::Kind::Host;
    log = TRY(
        OnlineLog::create(flags["record"].as<std::string>(), plan.contract, plan.former(), clock));
  }
  std::vector<FormedBatch> batches;
  const FormerRecorder record = [&](const FormerEvent& event) {
    if (log) log->write(event);
    if (event.batch != nullptr) batches.push_back(*event.batch);
  };
  OnlineFigures figures = flags["virtual"].as<bool>() ? TRY(run_in_virtual_time(plan, record))
                                                      : TRY(run_on_host(plan, record));
  if (log) TRY(log->close());
  figures.batches = std::move(batches);
  figures.requests = std::ssize(plan.arrivals);
  figures.batch_seconds = std::chrono::duration<double>(plan.former().batch_time).count();
  figures.batch_time = plan.batch_time;
  if (flags.count("prometheus")) {
    const std::string model =
        plan.runner == nullptr ? "virtual" : plan.runner->executable().metadata.model_name;
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
  return print_explained(flags, plan, figures.batches);
}

Status run_again(const po::variables_map& flags) {
  const auto path = flags["replay"].as<std::string>();
  const RecordedRun run = TRY(read_online_log(path));
  OnlinePlan plan;
  plan.contract = run.contract;
  plan.former() = run.config;
  auto batches = replay_as_recorded(run);
  if (!batches) return Error{path + ": " + batches.error().message};
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
  return print_explained(flags, plan, *batches);
}

}  // namespace

po::options_description online_flags() {
  po::options_description online = online_plan_flags();
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
