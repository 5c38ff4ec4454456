// SPDX-License-Identifier: Apache-2.0
// Executables under synthetic load, measured: one alone on random batches, or the packing chapter's
// runs, where a padded executable and packed ones answer the same requests. Host time and modelled
// IPU time stand side by side and are never mixed.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "executor/model_runner.h"
#include "packing/policy.h"
#include "serving/metrics.h"
#include "support/expected.h"

namespace tessera {

// Usage errors name the option: "iterations: 0, must be …".
struct BenchOptions {
  int64_t iterations = 4;    // batches' worth of requests; of one executable alone: batches
  double avg_seq_len = 128;  // mean and deviation of the requests' lengths
  int64_t max_seq_len = 0;   // the longest request; 0: the row length
  int64_t vocab = 0;         // ids are below this; 0: the size of the executable's table
  uint32_t seed = 2023;
  PackRule rule = PackPolicy::FirstFit;
  std::chrono::microseconds timeout{15000};  // online: longest wait of a batch's first request
  double warm_up = 0;   // seconds of batches that are not measured, at least one batch
  double duration = 0;  // seconds to measure at least: the work is done again until then
};
Status check_bench_options(const BenchOptions& options);

// One way to carry out the work.
struct BenchRun {
  std::string executable;  // as it was named
  std::string label;       // "Batches", "Original", "Pack Offline", "Pack Online"
  PackingForm form = PackingForm::None;
  int64_t requests = 0;  // 0: whole batches were run
  int64_t batches = 0, tokens = 0, row_tokens = 0;
  double host_seconds = 0, modelled_ipu_seconds = 0;
  std::vector<double> batch_seconds;          // of the host: each batch
  std::vector<double> latencies;              // online: each request, submission to answer
  std::map<CloseReason, int64_t> closed_for;  // online

  double fill() const;
};

// How far the answers of two runs are apart: the mean over requests of the mean absolute difference
// over each request's own items.
struct BenchDifference {
  std::string a, b;  // labels
  std::string output;
  double mae = 0;
};

struct BenchResult {
  std::vector<BenchRun> runs;
  std::vector<BenchDifference> differences;
};

// Functions that follow a bench while it runs. `progress` is called on several threads.
struct BenchWatcher {
  std::function<void(const std::string& what, int64_t done, int64_t all)> progress;
  std::function<void(const BenchRun& run)> run;
  std::function<void(const BenchDifference& difference)> difference;
};

struct BenchedExecutable {
  std::string name;
  std::shared_ptr<ModelRunner> runner;
};

// One executable alone, or a padded one and packed ones behind it; otherwise a Usage error.
Expected<BenchResult> bench(std::span<const BenchedExecutable> executables,
                            const BenchOptions& options, const BenchWatcher& watcher = {});

// As `tessera bench --json` prints it: docs/schemas/bench.json.
nlohmann::ordered_json to_json(const BenchResult& result);
nlohmann::ordered_json to_json(const BenchRun& run);

// Ids of requests that are drawn are below this: `asked`, or with 0 the size of the table that the
// executable looks ids up in, or that of BERT where there is no such table or no executable
// (`metadata` null). A Usage error "vocab: …" where more is asked for than the table holds.
Expected<int32_t> drawn_below(int64_t asked, const Metadata* metadata,
                              const PackingContract& contract);

}  // namespace tessera
