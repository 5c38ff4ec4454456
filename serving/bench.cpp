// SPDX-License-Identifier: Apache-2.0
#include "serving/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "executor/batch_arrays.h"
#include "packing/workload.h"
#include "serving/offline_runner.h"
#include "serving/pack_runner.h"
#include "serving/request_contract.h"

namespace tessera {
namespace {

using BenchClock = std::chrono::steady_clock;

double seconds_from(BenchClock::time_point start) {
  return std::chrono::duration<double>(BenchClock::now() - start).count();
}

// The executable under load; what is measured of it is added up in `run`.
class Bench {
 public:
  Bench(const BenchedExecutable& executable, const BenchOptions& options,
        const BenchWatcher& watcher, std::string label)
      : runner_(executable.runner), options_(options), watcher_(watcher) {
    run_.executable = executable.name;
    run_.label = std::move(label);
    run_.form = metadata().packing.form;
  }

  // Random batches, one after the other.
  Expected<BenchRun> batches() {
    TRY(warm_up());
    Batches random = TRY(random_batches());
    for (int64_t i = 0; i < options_.iterations || lasts(); ++i) {
      progress("batches", i, std::max(i + 1, options_.iterations));
      run_.batch_seconds.push_back(TRY(random.run(*runner_)));
      run_.host_seconds += run_.batch_seconds.back();
    }
    count_batches(run_.batch_seconds.size());
    return std::move(run_);
  }

  // The requests, all of them known; `answers` gets those of the first time.
  Expected<BenchRun> offline(std::span<const Request> requests, std::vector<Answer>& answers) {
    TRY(warm_up());
    do {
      const BenchClock::time_point start = BenchClock::now();
      OfflineResult result =
          TRY(run_offline(*runner_, options_.rule, requests, {}, [&](size_t done, size_t all) {
            progress("batches", static_cast<int64_t>(done), static_cast<int64_t>(all));
          }));
      run_.host_seconds += seconds_from(start);
      run_.batch_seconds.insert(run_.batch_seconds.end(), result.batch_seconds.begin(),
                                result.batch_seconds.end());
      TRY(count_requests(requests));
      count_batches(result.batches);
      if (answers.empty()) answers = std::move(result.answers);
    } while (lasts());
    return std::move(run_);
  }

  // The requests, one by one and as fast as they are taken.
  Expected<BenchRun> online(std::span<const Request> requests, std::vector<Answer>& answers) {
    TRY(warm_up());
    PackRunnerConfig config;
    config.former.rule = options_.rule;
    config.former.timeout = options_.timeout;
    config.max_records = std::numeric_limits<int64_t>::max();  // all of them are counted
    const std::unique_ptr<PackRunner> packer = TRY(PackRunner::create(runner_, config));
    do {
      Stream stream(requests.size());
      const BenchClock::time_point start = BenchClock::now();
      TRY(stream.send(*packer, requests,
                      [&](int64_t done) { progress("requests", done, std::ssize(requests)); }));
      run_.host_seconds += seconds_from(start);
      std::vector<Answer> got = TRY(stream.take(run_.latencies));
      TRY(count_requests(requests));
      if (answers.empty()) answers = std::move(got);
    } while (lasts());
    packer->close();
    const std::vector<BatchRecord> records = packer->records();
    for (const BatchRecord& record : records) {
      ++run_.closed_for[record.reason];
      run_.batch_seconds.push_back(record.host_seconds);
    }
    count_batches(records.size());
    return std::move(run_);
  }

 private:
  struct Batches {
    std::map<std::string, NpyArray> inputs, outputs;
    InputViews in;
    OutputViews out;

    Expected<double> run(ModelRunner& runner) {
      const BenchClock::time_point start = BenchClock::now();
      TRY(runner.run(in, out));
      return seconds_from(start);
    }
  };

  // Requests on their way, and what became of them.
  class Stream {
   public:
    explicit Stream(size_t requests) : results_(requests), seconds_(requests) {}

    Status send(PackRunner& packer, std::span<const Request> requests,
                const std::function<void(int64_t done)>& progress) {
      for (size_t i = 0; i < requests.size(); ++i) {
        const BenchClock::time_point submitted = BenchClock::now();
        const auto taken = packer.submit(requests[i], {}, [=, this](Expected<Answer> answer) {
          seconds_[i] = seconds_from(submitted);
          results_[i] = std::move(answer);
          progress(++answered_);
        });
        if (!taken) {
          packer.drain();  // those before call back here
          return taken.error();
        }
      }
      packer.drain();
      return {};
    }

    Expected<std::vector<Answer>> take(std::vector<double>& latencies) {
      std::vector<Answer> answers;
      for (auto& result : results_) answers.push_back(TRY(std::move(*result)));
      latencies.insert(latencies.end(), seconds_.begin(), seconds_.end());
      return answers;
    }

   private:
    std::vector<std::optional<Expected<Answer>>> results_;
    std::vector<double> seconds_;
    std::atomic<int64_t> answered_{0};
  };

  const Metadata& metadata() const { return runner_->executable().metadata; }
  bool lasts() const { return run_.host_seconds < options_.duration; }

  void progress(const char* what, int64_t done, int64_t all) const {
    if (watcher_.progress) watcher_.progress(fmt::format("{}: {}", run_.label, what), done, all);
  }

  Expected<Batches> random_batches() const {
    Batches batches{random_inputs(metadata(), 0), empty_outputs(metadata()), {}, {}};
    batches.in = TRY(input_views(batches.inputs));
    batches.out = TRY(output_views(batches.outputs));
    return batches;
  }

  // The first batch touches memory for the first time.
  Status warm_up() const {
    Batches random = TRY(random_batches());
    double seconds = 0;
    do {
      progress("warming up, batches", 0, 0);
      seconds += TRY(random.run(*runner_));
    } while (seconds < options_.warm_up);
    return {};
  }

  Status count_requests(std::span<const Request> requests) {
    const PackingContract packing = TRY(request_contract(metadata()));
    run_.row_tokens = packing.rows * packing.row_length;
    run_.requests += std::ssize(requests);
    for (const Request& request : requests)
      run_.tokens += std::ssize(request.tokens.at(packing.ids_input));
    return {};
  }

  void count_batches(size_t batches) {
    run_.batches += static_cast<int64_t>(batches);
    run_.modelled_ipu_seconds += static_cast<double>(batches) * metadata().cycles.seconds_per_batch;
  }

  const std::shared_ptr<ModelRunner>& runner_;
  const BenchOptions& options_;
  const BenchWatcher& watcher_;
  BenchRun run_;
};

double mean_absolute_difference(std::span<const Answer> a, std::span<const Answer> b,
                                const Anchor& output) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const std::vector<std::byte>& x = a[i].outputs.at(output.name);
    const std::vector<std::byte>& y = b[i].outputs.at(output.name);
    const size_t count = x.size() / static_cast<size_t>(size_of(output.dtype));
    double request = 0;
    for (size_t j = 0; j < count; ++j)
      request += std::abs(number_at(x, output.dtype, j) - number_at(y, output.dtype, j));
    sum += request / static_cast<double>(count);
  }
  return sum / static_cast<double>(a.size());
}

Expected<std::vector<Request>> synthetic_requests(const BenchOptions& options,
                                                  const Metadata& metadata) {
  const PackingContract packing = TRY(request_contract(metadata));
  WorkloadOptions workload;
  workload.seed = options.seed;
  workload.count = options.iterations * packing.rows;
  workload.average = options.avg_seq_len;
  workload.longest = options.max_seq_len ? options.max_seq_len : packing.row_length;
  workload.vocabulary = TRY(drawn_below(options.vocab, &metadata, packing));
  std::vector<Request> requests;
  for (SyntheticRequest& drawn : TRY(synthetic_workload(workload))) {
    Request request;
    for (const std::string& name : packing.token_inputs)
      if (shape_of_token(metadata, name).empty())  // what requests leave out is 0
        request.tokens[name] = name == packing.ids_input ? drawn.ids : drawn.types;
    requests.push_back(std::move(request));
  }
  return requests;
}

// The packing chapter: padded once, then every packed executable offline and online.
class Chapter {
 public:
  Chapter(std::span<const BenchedExecutable> executables, const BenchOptions& options,
          const BenchWatcher& watcher)
      : executables_(executables), options_(options), watcher_(watcher) {}

  Expected<BenchResult> run() {
    const auto requests =
        TRY(synthetic_requests(options_, executables_[0].runner->executable().metadata));
    std::vector<Answer> original;
    tell(TRY(Bench(executables_[0], options_, watcher_, "Original").offline(requests, original)));
    for (const BenchedExecutable& packed : executables_.subspan(1)) {
      std::vector<Answer> offline, online;
      tell(TRY(Bench(packed, options_, watcher_, "Pack Offline").offline(requests, offline)));
      tell(TRY(Bench(packed, options_, watcher_, "Pack Online").online(requests, online)));
      const Metadata& metadata = packed.runner->executable().metadata;
      compare({"Original", original}, {"Pack Offline", offline}, metadata);
      compare({"Original", original}, {"Pack Online", online}, metadata);
      compare({"Pack Offline", offline}, {"Pack Online", online}, metadata);
    }
    return std::move(result_);
  }

 private:
  struct Answers {
    const char* label;
    std::span<const Answer> answers;
  };

  void tell(BenchRun run) {
    result_.runs.push_back(std::move(run));
    if (watcher_.run) watcher_.run(result_.runs.back());
  }

  void compare(const Answers& a, const Answers& b, const Metadata& metadata) {
    for (const Anchor& anchor : metadata.anchors) {
      if (anchor.kind != AnchorKind::Output) continue;
      result_.differences.push_back(
          {a.label, b.label, anchor.name, mean_absolute_difference(a.answers, b.answers, anchor)});
      if (watcher_.difference) watcher_.difference(result_.differences.back());
    }
  }

  std::span<const BenchedExecutable> executables_;
  const BenchOptions& options_;
  const BenchWatcher& watcher_;
  BenchResult result_;
};

Status check_order(std::span<const BenchedExecutable> executables) {
  for (size_t i = 0; i < executables.size() && executables.size() > 1; ++i) {
    const PackingForm form = executables[i].runner->executable().metadata.packing.form;
    if ((form == PackingForm::None) != (i == 0))
      return Error{
          executables[i].name + ": must be a padded executable first, packed ones after it",
          ErrorKind::Usage};
  }
  return {};
}

}  // namespace

Status check_bench_options(const BenchOptions& options) {
  const auto usage = [](std::string message) {
    return Error{std::move(message), ErrorKind::Usage};
  };
  if (options.iterations < 1)
    return usage(fmt::format("iterations: {}, must be at least 1", options.iterations));
  constexpr double kWeek = 7 * 24 * 3600;
  for (const auto& [name, seconds] :
       {std::pair("warm_up", options.warm_up), std::pair("duration", options.duration)})
    if (!(seconds >= 0 && seconds <= kWeek))
      return usage(fmt::format("{}: {}, must be in 0..{:.0f} seconds", name, seconds, kWeek));
  return {};
}

Expected<BenchResult> bench(std::span<const BenchedExecutable> executables,
                            const BenchOptions& options, const BenchWatcher& watcher) {
  TRY(check_bench_options(options));
  if (executables.empty())
    return Error{
        "bench: no executable, must be a padded one and packed ones after it, or one alone",
        ErrorKind::Usage};
  TRY(check_order(executables));
  if (executables.size() > 1) return Chapter(executables, options, watcher).run();
  BenchResult result;
  result.runs.push_back(TRY(Bench(executables[0], options, watcher, "Batches").batches()));
  if (watcher.run) watcher.run(result.runs.back());
  return result;
}

Expected<int32_t> drawn_below(int64_t asked, const Metadata* metadata,
                              const PackingContract& contract) {
  constexpr int64_t kBerts = 30522;
  const Anchor* ids = metadata ? find_input(*metadata, contract.ids_input) : nullptr;
  const int64_t limit = ids ? ids->index_limit : 0;
  const int64_t most = limit ? limit : int64_t{1} << 30;
  if (asked < 0 || asked > most)
    return Error{fmt::format("vocab: {}, must be in 0..{}", asked, most), ErrorKind::Usage};
  return static_cast<int32_t>(asked ? asked : limit ? limit : kBerts);
}

}  // namespace tessera
