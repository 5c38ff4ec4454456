// SPDX-License-Identifier: Apache-2.0
// tessera bench: the packing chapter's three runs over one synthetic workload, or plain repetitions
// of one executable; --online is in bench_online.cpp. Host time and modelled IPU time stand side by
// side and are never mixed.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "packing/workload.h"
#include "serving/batch_runner.h"
#include "serving/offline_runner.h"
#include "serving/pack_runner.h"
#include "tools/bench_online.h"
#include "tools/print.h"
#include "tools/progress.h"
#include "tools/request_arrays.h"
#include "tools/sandboxed.h"
#include "tools/stranger_flags.h"
#include "tools/tensors.h"
#include "tools/verb.h"

namespace tessera::tools {
namespace {

using Json = nlohmann::ordered_json;
using Words = std::vector<std::string>;

po::options_description flags() {
  po::options_description workload("Workload");
  workload.add_options()("executables", po::value<Words>(),
                         "PADDED.popef and any number of packed ones; or one executable alone")(
      "iterations", po::value<int64_t>()->default_value(4),
      "batches' worth of requests (rows times this); of one executable alone: runs")(
      "avg_seq_len", po::value<double>()->default_value(128),
      "mean and deviation of the normal distribution that lengths are drawn from")(
      "max_seq_len", po::value<int64_t>()->default_value(0),
      "longest request; 0: the executable's row length")(
      "vocab", po::value<int64_t>()->default_value(0),
      "token ids are below this; 0: the size of the executable's table of tokens")(
      "seed", po::value<uint32_t>()->default_value(2023), "of NumPy's legacy generator")(
      "policy", po::value<std::string>()->default_value("first_fit"),
      "how requests are chosen: next_fit, first_fit, best_fit or window")(
      "timeout_microseconds", po::value<int64_t>()->default_value(15000),
      "online: longest wait of a batch's first request")("json", po::bool_switch(),
                                                         "print the figures as JSON");
  po::options_description all;
  all.add(workload).add(online_flags()).add(machine_flags()).add(stranger_flags());
  all.add(limit_flags());
  return all;
}

// Figures of one way to answer all requests.
struct Figures {
  std::string label;
  int64_t requests = 0, batches = 0, tokens = 0, row_tokens = 0;
  double host_seconds = 0, ipu_seconds = 0;
  std::vector<Answer> answers;
  std::map<CloseReason, int64_t> reasons;  // online
};

Json to_json(const Figures& figures) {
  Json json = {
      {"label",                           figures.label                                               },
      {"requests",                        figures.requests                                            },
      {"batches",                         figures.batches                                             },
      {"fill",                            static_cast<double>(figures.tokens) /
                   static_cast<double>(figures.batches * figures.row_tokens)            },
      {"host_seconds",                    figures.host_seconds                                        },
      {"host_samples_per_second",         static_cast<double>(figures.requests) / figures.host_seconds},
      {"modelled_ipu_seconds",            figures.ipu_seconds                                         },
      {"modelled_ipu_samples_per_second",
       static_cast<double>(figures.requests) / figures.ipu_seconds                                    }
  };
  for (const auto& [reason, count] : figures.reasons)
    json["closed_for"][std::string(to_string(reason))] = count;
  return json;
}

// The first line of each is the chapter's own wording, so that the two can be laid side by side.
void print_figures(const Figures& figures) {
  const double count = static_cast<double>(figures.requests);
  print("[{}] Throughput: {:.4f} samples/s, Latency: {:.4f} ms (host)\n", figures.label,
        count / figures.host_seconds, figures.host_seconds / count * 1e3);
  print("    modelled IPU: {:.1f} samples/s, {:.4f} ms\n", count / figures.ipu_seconds,
        figures.ipu_seconds / count * 1e3);
  print("    {} requests in {} batches, {:.1f} % of the row tokens used", figures.requests,
        figures.batches,
        100.0 * static_cast<double>(figures.tokens) /
            static_cast<double>(figures.batches * figures.row_tokens));
  for (const auto& [reason, batches] : figures.reasons)
    print("; {} closed by {}", batches, to_string(reason));
  print("\n");
}

int64_t token_count(const std::vector<Request>& requests, const std::string& ids) {
  int64_t tokens = 0;
  for (const Request& request : requests)
    tokens += static_cast<int64_t>(request.tokens.at(ids).size());
  return tokens;
}

Expected<Figures> empty_figures(const std::string& label, const ModelRunner& runner,
                                const std::vector<Request>& requests) {
  const PackingContract packing = TRY(request_contract(runner.executable().metadata));
  Figures figures;
  figures.label = label;
  figures.requests = static_cast<int64_t>(requests.size());
  figures.tokens = token_count(requests, packing.ids_input);
  figures.row_tokens = packing.rows * packing.row_length;
  return figures;
}

void count_batches(Figures& figures, const ModelRunner& runner, size_t batches) {
  figures.batches = static_cast<int64_t>(batches);
  figures.ipu_seconds =
      static_cast<double>(batches) * runner.executable().metadata.cycles.seconds_per_batch;
}

Expected<Figures> run_offline_figures(const std::string& label, ModelRunner& runner,
                                      const PackRule& rule, const std::vector<Request>& requests) {
  Figures figures = TRY(empty_figures(label, runner, requests));
  const double start = now_seconds();
  OfflineResult result = TRY(run_offline(runner, rule, requests));
  figures.host_seconds = now_seconds() - start;
  figures.answers = std::move(result.answers);
  count_batches(figures, runner, result.batches);
  return figures;
}

Expected<Figures> run_online_figures(const std::string& label, std::shared_ptr<ModelRunner> runner,
                                     const PackRunnerConfig& config,
                                     const std::vector<Request>& requests) {
  Figures figures = TRY(empty_figures(label, *runner, requests));
  const std::unique_ptr<PackRunner> pack_runner = TRY(PackRunner::create(runner, config));
  const double start = now_seconds();
  std::vector<std::future<Expected<Answer>>> futures;
  for (const Request& request : requests)
    futures.push_back(TRY(pack_runner->submit(request)).answer);
  for (auto& future : futures) figures.answers.push_back(TRY(future.get()));
  figures.host_seconds = now_seconds() - start;
  pack_runner->close();
  const std::vector<BatchRecord> records = pack_runner->records();
  for (const BatchRecord& record : records) ++figures.reasons[record.reason];
  count_batches(figures, *runner, records.size());
  return figures;
}

// Mean over requests of the mean absolute difference over each request's own items.
double mean_absolute_error(const Figures& a, const Figures& b, const std::string& output,
                           DType dtype) {
  double sum = 0;
  for (size_t i = 0; i < a.answers.size(); ++i) {
    const std::vector<std::byte>& x = a.answers[i].outputs.at(output);
    const std::vector<std::byte>& y = b.answers[i].outputs.at(output);
    const size_t count = x.size() / static_cast<size_t>(size_of(dtype));
    double request = 0;
    for (size_t j = 0; j < count; ++j)
      request += std::abs(number_at(x, dtype, j) - number_at(y, dtype, j));
    sum += request / static_cast<double>(count);
  }
  return sum / static_cast<double>(a.answers.size());
}

void compare(const Figures& a, const Figures& b, const Metadata& metadata, Json* json) {
  for (const Anchor& anchor : metadata.anchors) {
    if (anchor.kind != AnchorKind::Output) continue;
    const double error = mean_absolute_error(a, b, anchor.name, anchor.dtype);
    if (json)
      json->push_back({
          {"a",      a.label    },
          {"b",      b.label    },
          {"output", anchor.name},
          {"mae",    error      }
      });
    else
      print("{} average mae, {} against {}: {:.3g}\n", anchor.name, a.label, b.label, error);
  }
}

Expected<std::vector<Request>> make_requests(const po::variables_map& flags,
                                             const Metadata& metadata) {
  const PackingContract packing = TRY(request_contract(metadata));
  WorkloadOptions options;
  options.seed = flags["seed"].as<uint32_t>();
  options.count = flags["iterations"].as<int64_t>() * packing.rows;
  options.average = flags["avg_seq_len"].as<double>();
  const int64_t longest = flags["max_seq_len"].as<int64_t>();
  options.longest = longest ? longest : packing.row_length;
  options.vocabulary = TRY(vocabulary_of(flags["vocab"].as<int64_t>(), &metadata, packing));
  std::vector<Request> requests;
  for (SyntheticRequest& drawn : TRY(synthetic_workload(options))) {
    Request request;
    for (const std::string& name : packing.token_inputs)
      if (shape_of_token(metadata, name).empty())  // what requests leave out is 0
        request.tokens[name] = name == packing.ids_input ? drawn.ids : drawn.types;
    requests.push_back(std::move(request));
  }
  return requests;
}

std::string form_name(const Metadata& metadata) {
  return fmt::format("form {}", to_string(metadata.packing.form));
}

// The chapter: padded once, then every packed executable offline and online.
Status run_chapter(const std::vector<std::shared_ptr<ModelRunner>>& runners,
                   const po::variables_map& flags, const PackRunnerConfig& config) {
  const bool as_json = flags["json"].as<bool>();
  Json json = Json::object();
  const auto show = [&](const Figures& figures) {
    if (as_json)
      json["runs"].push_back(to_json(figures));
    else
      print_figures(figures);
  };
  const Metadata& padded = runners[0]->executable().metadata;
  const std::vector<Request> requests = TRY(make_requests(flags, padded));
  const Figures original =
      TRY(run_offline_figures("Original", *runners[0], config.former.rule, requests));
  show(original);
  for (size_t i = 1; i < runners.size(); ++i) {
    const Metadata& metadata = runners[i]->executable().metadata;
    if (!as_json) print("\nPacked, {}\n", form_name(metadata));
    const Figures offline =
        TRY(run_offline_figures("Pack Offline", *runners[i], config.former.rule, requests));
    show(offline);
    const Figures online = TRY(run_online_figures("Pack Online", runners[i], config, requests));
    show(online);
    Json* errors = as_json ? &json["errors"] : nullptr;
    compare(original, offline, metadata, errors);
    compare(original, online, metadata, errors);
    compare(offline, online, metadata, errors);
  }
  if (as_json) print_json(json, 2);
  return {};
}

// One executable alone, on random inputs.
Status run_repeated(ModelRunner& runner, int64_t runs, bool as_json) {
  const Metadata& metadata = runner.executable().metadata;
  const std::map<std::string, NpyArray> inputs = random_inputs(metadata, 0);
  std::map<std::string, NpyArray> outputs = empty_outputs(metadata);
  const InputViews in = TRY(input_views(inputs));
  const OutputViews out = TRY(output_views(outputs));
  TRY(runner.run(in, out));  // the first run touches memory for the first time
  std::vector<double> seconds;
  Progress progress("bench");
  for (int64_t i = 0; i < runs; ++i) {
    progress.step("runs", i, runs);
    const double start = now_seconds();
    TRY(runner.run(in, out));
    seconds.push_back(now_seconds() - start);
  }
  std::sort(seconds.begin(), seconds.end());
  const auto percentile = [&](double p) {
    return seconds[static_cast<size_t>(p * static_cast<double>(seconds.size() - 1))];
  };
  const double mean =
      std::accumulate(seconds.begin(), seconds.end(), 0.0) / static_cast<double>(seconds.size());
  const double ipu = metadata.cycles.seconds_per_batch;
  if (as_json) {
    const Json json = {
        {"runs",                 runs            },
        {"host_seconds_mean",    mean            },
        {"host_seconds_p50",     percentile(0.5) },
        {"host_seconds_p90",     percentile(0.9) },
        {"host_seconds_p99",     percentile(0.99)},
        {"modelled_ipu_seconds", ipu             }
    };
    print_json(json, 2);
    return {};
  }
  print(
      "host:         {:.2f} batches/s; a batch takes {} in the mean, p50 {}, p90 {}, p99 {} "
      "({} runs)\n",
      1 / mean, human_seconds(mean), human_seconds(percentile(0.5)), human_seconds(percentile(0.9)),
      human_seconds(percentile(0.99)), runs);
  print("modelled IPU: {:.1f} batches/s; a batch takes {}\n", 1 / ipu, human_seconds(ipu));
  return {};
}

Expected<PackRunnerConfig> pack_config(const po::variables_map& flags) {
  PackRunnerConfig config;
  auto policy = parse_policy(flags["policy"].as<std::string>());
  if (!policy) return Error{"--policy: " + policy.error().message, ErrorKind::Usage};
  config.former.rule = *policy;
  config.former.timeout = std::chrono::microseconds(flags["timeout_microseconds"].as<int64_t>());
  return config;
}

Status run_executables(const po::variables_map& flags, const std::vector<PopefFile>& files,
                       const MachineOptions& machine, const PackRunnerConfig& config) {
  std::vector<std::shared_ptr<ModelRunner>> runners;
  for (const PopefFile& file : files) {
    runners.push_back(TRY(load_runner(file, machine)));
    const PackingForm form = runners.back()->executable().metadata.packing.form;
    if (files.size() > 1 && (form == PackingForm::None) != (runners.size() == 1))
      return Error{file.path + ": must be a padded executable first, packed ones after it",
                   ErrorKind::Usage};
  }
  if (runners.size() > 1) return run_chapter(runners, flags, config);
  return run_repeated(*runners[0], flags["iterations"].as<int64_t>(), flags["json"].as<bool>());
}

Status run(const po::variables_map& flags) {
  if (flags["online"].as<bool>()) return bench_online(flags);
  TRY(refuse_online_flags(flags));
  const Words paths = flags.count("executables") ? flags["executables"].as<Words>() : Words();
  const int64_t iterations = flags["iterations"].as<int64_t>();
  if (paths.empty())
    return Error{"bench: no executable, must be PADDED.popef [PACKED.popef …]", ErrorKind::Usage};
  if (iterations < 1)
    return Error{fmt::format("--iterations: {}, must be at least 1", iterations), ErrorKind::Usage};
  const PackRunnerConfig config = TRY(pack_config(flags));
  MachineOptions machine = TRY(machine_options(flags));
  machine.require_signature = TRY(required_key(flags));
  std::vector<PopefFile> files;
  for (const std::string& path : paths)
    files.push_back(TRY(open_popef(path, machine.require_signature, machine.limits)));
  if (!flags["sandbox"].as<bool>()) return run_executables(flags, files, machine, config);
  machine.cache_folder = "";  // code that a stranger's file made stays in there
  return run_in_sandbox({}, machine.limits, write_outputs, [&](const WriteOutputs&) {
    return run_executables(flags, files, machine, config);
  });
}

}  // namespace

Verb bench_verb() {
  return {"bench",
          "measure executables: the packing chapter's runs, one repeated, or requests as they come",
          "PADDED.popef [PACKED.popef …] | --online [PACKED.popef] [FLAGS]",
          "tessera bench padded.popef packed_a.popef packed_b.popef --iterations 100",
          flags,
          "executables",
          run};
}

}  // namespace tessera::tools
