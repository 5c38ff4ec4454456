// SPDX-License-Identifier: Apache-2.0
#include "serving/online_bench.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <optional>
#include <thread>
#include <utility>

#include "serving/latencies_json.h"
#include "serving/pack_runner.h"
#include "serving/request_contract.h"
#include "serving/waiting_queue.h"
#include "support/check.h"
#include "support/guard.h"

namespace tessera {
namespace {

using OnlineClock = std::chrono::steady_clock;

Time absolute(Time deadline, Time at) { return deadline == kNever ? kNever : at + deadline; }

Expected<OnlineFigures> run_in_virtual_time(const OnlineSetup& setup,
                                            const FormerRecorder& record) {
  VirtualOptions options{setup.contract, setup.former(), setup.former().batch_time, record};
  std::vector<TimedArrival> arrivals = setup.load.arrivals;
  for (TimedArrival& arrival : arrivals)
    arrival.arrival.deadline = absolute(arrival.arrival.deadline, arrival.at);
  size_t sent = arrivals.size();
  NextArrival next;
  if (setup.load.clients > 0) {
    sent = std::min(sent, static_cast<size_t>(setup.load.clients));
    arrivals.resize(sent);
    next = [&](Time now) -> std::optional<TimedArrival> {
      if (sent == setup.load.arrivals.size()) return {};
      Arrival arrival = setup.load.arrivals[sent++].arrival;
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

// The requests of a setup through a PackRunner, each at its time or from its client.
class HostRun {
 public:
  HostRun(const OnlineSetup& setup, PackRunner& runner,
          const std::function<void(int64_t, int64_t)>& progress)
      : setup_(setup),
        runner_(runner),
        progress_(progress),
        latencies_(setup.load.arrivals.size(), -1) {}

  Expected<OnlineFigures> run() {
    began_ = OnlineClock::now();
    if (setup_.load.clients > 0) {
      TRY(run_clients());
    } else {
      send_on_time();
    }
    runner_.drain();
    const OnlineClock::time_point end = OnlineClock::now();
    runner_.close();
    OnlineFigures figures;
    figures.clock = "host";
    for (const double latency : latencies_)
      if (latency >= 0) figures.latencies.push_back(latency);
    figures.seconds =
        std::chrono::duration<double>(end - began_ - setup_.load.arrivals.front().at).count();
    figures.metrics = runner_.metrics();
    return figures;
  }

 private:
  Status run_clients() {
    std::vector<std::thread> clients;
    clients.reserve(static_cast<size_t>(setup_.load.clients));
    Status started;
    for (int64_t i = 0; i < setup_.load.clients && started.ok(); ++i) {
      auto client = start_thread("clients", [this] { be_client(); });
      if (client) clients.push_back(client.take());
      if (!client) started = std::move(client.error());
    }
    for (std::thread& client : clients) client.join();
    return started;
  }

  Request request_of(size_t i) const {
    Request request;
    for (const std::string& name : setup_.contract.token_inputs) {
      const SyntheticRequest& drawn = setup_.load.workload[i];
      request.tokens[name] = name == setup_.contract.ids_input ? drawn.ids : drawn.types;
    }
    return request;
  }

  SubmitOptions options_of(size_t i) const {
    SubmitOptions options;
    const Arrival& arrival = setup_.load.arrivals[i].arrival;
    options.priority = arrival.priority;
    if (arrival.deadline != kNever)
      options.deadline = std::chrono::duration_cast<std::chrono::microseconds>(arrival.deadline);
    options.wait = std::chrono::microseconds(0);
    return options;
  }

  void send_on_time() {
    for (size_t i = 0; i < setup_.load.arrivals.size(); ++i) {
      const OnlineClock::time_point at = began_ + setup_.load.arrivals[i].at;
      Request request = request_of(i);
      std::this_thread::sleep_until(at);
      const OnlineClock::time_point submitted = OnlineClock::now();
      // The runner counts the requests that it refuses.
      const auto id = runner_.submit(std::move(request), options_of(i), [=, this](auto answer) {
        if (answer) latencies_[i] = seconds_since(submitted);
      });
      if (id && progress_) progress_(static_cast<int64_t>(i) + 1, std::ssize(setup_.load.arrivals));
    }
  }

  void be_client() {
    for (size_t i = next_++; i < setup_.load.arrivals.size(); i = next_++) {
      SubmitOptions options = options_of(i);
      options.wait = std::chrono::microseconds::max();
      const OnlineClock::time_point submitted = OnlineClock::now();
      auto submission = runner_.submit(request_of(i), options);
      if (submission && submission->answer.get()) latencies_[i] = seconds_since(submitted);
    }
  }

  static double seconds_since(OnlineClock::time_point begin) {
    return std::chrono::duration<double>(OnlineClock::now() - begin).count();
  }

  const OnlineSetup& setup_;
  PackRunner& runner_;
  const std::function<void(int64_t, int64_t)>& progress_;
  OnlineClock::time_point began_;
  std::vector<double> latencies_;  // by request; below 0: no answer
  std::atomic<size_t> next_{0};
};

// Leaves in the setup how long a batch took.
Expected<OnlineFigures> run_on_host(OnlineSetup& setup, const FormerRecorder& record,
                                    const std::function<void(int64_t, int64_t)>& progress) {
  PackRunnerConfig config = setup.options.runner;
  config.warm_up = true;
  config.record = [&](const FormerEvent& event) {
    if (event.kind == FormerEvent::Kind::BatchTime) setup.former().batch_time = event.batch_time;
    if (record) record(event);
  };
  const std::unique_ptr<PackRunner> runner =
      TRY(PackRunner::create(setup.runner, config, setup.options.requests));
  return HostRun(setup, *runner, progress).run();
}

// The time of a batch, and its source. The runner of a host run measures it, or takes the target's.
Status choose_batch_time(const OnlineBenchOptions& options, OnlineSetup& setup) {
  if (!setup.is_virtual) {
    setup.batch_time =
        setup.options.runner.batch_time == BatchTime::Modelled ? "modelled" : "measured";
    return {};
  }
  setup.former().batch_time = options.batch_time;
  setup.batch_time = "given";
  if (options.batch_time == Time(0) && setup.runner != nullptr) {
    const double modelled =
        seconds_of_batch(setup.runner->executable().metadata.cycles.seconds_per_batch);
    setup.former().batch_time = Time(std::llround(modelled * 1e9));
    setup.batch_time = "modelled";
  }
  if (setup.former().batch_time > Time(0)) return {};
  return Error{"nothing says how long a batch takes, must be an executable or the time of a batch",
               ErrorKind::Usage};
}

// The contract of the executable, or form B with the rows that were asked for.
Status choose_contract(const OnlineBenchOptions& options, OnlineSetup& setup) {
  PackingContract& contract = setup.contract;
  if (setup.runner == nullptr) {
    contract.form = PackingForm::B;
    contract.rows = options.rows;
    contract.row_length = options.row_length;
  } else {
    const Metadata& metadata = setup.runner->executable().metadata;
    contract = TRY(request_contract(metadata));
    // The requests of a bench leave these inputs out, and then they are 0.
    std::erase_if(contract.token_inputs,
                  [&](const std::string& name) { return !shape_of_token(metadata, name).empty(); });
  }
  const int64_t free = setup.options.requests.zero_delimiters;
  if (free == 0) return {};
  if (contract.form != PackingForm::B)
    return Error{"zero_delimiters: is for form B, must be left out", ErrorKind::Usage};
  contract.zero_delimiters = free;
  return {};
}

}  // namespace

RunnerOptions virtual_runner_options() {
  RunnerOptions options;
  options.runner.former.margin = Time(0);
  options.runner.former.lead = Time(0);
  return options;
}

Expected<OnlineSetup> online_setup(std::shared_ptr<ModelRunner> runner,
                                   const OnlineBenchOptions& options) {
  CHECK(runner != nullptr || options.load.is_virtual);
  OnlineSetup setup;
  setup.runner = std::move(runner);
  setup.options = options.runner;
  setup.is_virtual = options.load.is_virtual;
  TRY(choose_contract(options, setup));
  TRY(choose_batch_time(options, setup));
  const Metadata* metadata = setup.runner ? &setup.runner->executable().metadata : nullptr;
  setup.load = TRY(online_load(options.load, setup.contract, metadata));
  return setup;
}

double OnlineFigures::mean_queue_at_closing() const {
  if (batches.empty()) return 0;
  size_t sum = 0;
  for (const FormedBatch& batch : batches) sum += batch.riders.size() + batch.left;
  return static_cast<double>(sum) / static_cast<double>(batches.size());
}

Expected<OnlineFigures> run_online(OnlineSetup& setup, const FormerRecorder& record,
                                   const std::function<void(int64_t, int64_t)>& progress) {
  std::vector<FormedBatch> batches;
  const FormerRecorder keep = [&](const FormerEvent& event) {
    if (record) record(event);
    if (event.batch != nullptr) batches.push_back(*event.batch);
  };
  OnlineFigures figures = setup.is_virtual ? TRY(run_in_virtual_time(setup, keep))
                                           : TRY(run_on_host(setup, keep, progress));
  figures.batches = std::move(batches);
  figures.requests = std::ssize(setup.load.arrivals);
  figures.batch_seconds = std::chrono::duration<double>(setup.former().batch_time).count();
  figures.batch_time = setup.batch_time;
  return figures;
}

nlohmann::ordered_json to_json(const OnlineFigures& figures) {
  const OnlineMetrics& m = figures.metrics;
  nlohmann::ordered_json json = {
      {"schema",              "tessera-bench-online/1"                           },
      {"clock",               figures.clock                                      },
      {"batch_seconds",       figures.batch_seconds                              },
      {"batch_time",          figures.batch_time                                 },
      {"requests",            figures.requests                                   },
      {"answered",            m.answered                                         },
      {"failed",              m.failed                                           },
      {"cancelled",           m.cancelled                                        },
      {"deadline_missed",     m.missed_waiting                                   },
      {"answered_late",       m.missed_answered                                  },
      {"not_finite",          m.not_finite                                       },
      {"seconds",             figures.seconds                                    },
      {"requests_per_second", figures.per_second(static_cast<double>(m.answered))},
      {"tokens_per_second",   figures.per_second(static_cast<double>(m.tokens))  },
      {"token_fill",          m.token_fill()                                     },
      {"segment_fill",        m.segment_fill()                                   },
      {"batches",             m.all_batches()                                    },
      {"queue",
       {{"mean_requests_at_closing", figures.mean_queue_at_closing()},
        {"most_requests", m.most_queue_requests},
        {"most_tokens", m.most_queue_tokens}}                                    },
      {"most_batches_waited", m.most_batches_waited                              }
  };
  json["rejected"] = nlohmann::ordered_json::object();
  for (const auto& [reason, count] : m.rejected) json["rejected"][reason] = count;
  json["closed_for"] = nlohmann::ordered_json::object();
  for (const CloseReason reason : kCloseReasons) {
    const uint64_t count = m.batches[static_cast<size_t>(reason)];
    if (count > 0) json["closed_for"][std::string(to_string(reason))] = count;
  }
  json["latency_seconds"] = to_json(Latencies(figures.latencies));
  return json;
}

}  // namespace tessera
