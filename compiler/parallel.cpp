// SPDX-License-Identifier: Apache-2.0
#include "compiler/parallel.h"

#include <fmt/format.h>

#include <algorithm>

#include "cost/cost.h"
#include "support/sha256.h"

namespace tessera {
namespace {

struct Way {
  std::string flags;
  CompileOptions options;
};

// So many replicas on all IPUs, each cut where it has several; one behind the other or as a
// pipeline.
void add_ways(const CompileOptions& asked, int64_t replicas, std::vector<Way>& ways) {
  const int64_t ipus = all_ipus(asked);
  CompileOptions options = asked;
  options.parallel = Parallel::None;
  options.replication_factor = replicas;
  std::string flags = replicas == 1 ? "" : fmt::format("--replication_factor {}", replicas);
  if (ipus == replicas) return ways.push_back({std::move(flags), std::move(options)});
  flags += std::string(flags.empty() ? "" : " ") + "--sharding ";
  options.sharding = Sharding::Tensor;
  ways.push_back({flags + "tensor", options});
  options.sharding = Sharding::Auto;
  flags += "auto";
  ways.push_back({flags, options});
  options.enable_pipelining = true;
  ways.push_back({flags + " --enable_pipelining true", options});
}

std::vector<Way> ways_of(const CompileOptions& asked) {
  std::vector<Way> ways;
  CompileOptions one = asked;
  one.parallel = Parallel::None;
  one.num_ipus = 1;
  one.target.ipus = 1;
  ways.push_back({"--num_ipus 1", std::move(one)});
  for (int64_t replicas = 1; replicas <= all_ipus(asked); ++replicas)
    if (all_ipus(asked) > 1 && all_ipus(asked) % replicas == 0) add_ways(asked, replicas, ways);
  return ways;
}

double seconds_of(const ParallelChoice& choice, ParallelGoal goal) {
  return goal == ParallelGoal::Latency ? choice.latency_seconds : choice.seconds_per_batch;
}

bool better(const ParallelChoice& a, const ParallelChoice& b, ParallelGoal goal) {
  if (a.fits != b.fits) return a.fits;
  return a.fits ? seconds_of(a, goal) < seconds_of(b, goal) : a.peak_bytes < b.peak_bytes;
}

ParallelChoice priced(const std::string& flags, const CompileResult& result) {
  const Executable& executable = result.executable;
  const ProgramCost cost = program_cost(executable.program);
  return {.flags = flags,
          .seconds_per_batch = cost.seconds_per_batch,
          .latency_seconds = cost.latency_seconds,
          .peak_bytes = executable.metadata.memory.peak_bytes,
          .fits = executable.metadata.memory.fits,
          .why_not = {}};
}

}  // namespace

Expected<CompileResult> compile_in_parallel(const std::string& model_path,
                                            const CompileOptions& options,
                                            const CompileProgress& progress) {
  TRY(check_options(options));
  std::vector<ParallelChoice> choices;
  CompileResult best;
  size_t chosen = 0;
  Error last;
  bool found = false;
  for (const Way& way : ways_of(options)) {
    if (progress) progress("parallel: " + way.flags);
    Expected<CompileResult> result = compile(model_path, way.options, progress);
    if (!result) {
      // One that the model cannot have, as a batch that does not divide.
      if (result.error().kind != ErrorKind::Usage) return result.error();
      last = result.error();
      choices.push_back({.flags = way.flags, .why_not = result.error().message});
      continue;
    }
    choices.push_back(priced(way.flags, *result));
    if (found && !better(choices.back(), choices[chosen], options.parallel_goal)) continue;
    chosen = choices.size() - 1;
    best = result.take();
    found = true;
  }
  if (!found) return last;
  choices[chosen].chosen = true;
  best.choices = std::move(choices);
  best.executable.metadata.options = to_string(options);
  best.executable.metadata.options_sha256 = to_hex(sha256(best.executable.metadata.options));
  return best;
}

std::string to_string(const std::vector<ParallelChoice>& choices, ParallelGoal goal) {
  std::string text;
  const ParallelChoice *best = nullptr, *next = nullptr;
  for (const ParallelChoice& choice : choices) {
    if (choice.chosen) best = &choice;
    if (!choice.why_not.empty()) {
      text += fmt::format("  {:<52} {}\n", choice.flags, choice.why_not);
      continue;
    }
    text += fmt::format("  {:<52} {:>9.3f} ms a batch, {:>9.3f} ms latency, {:>10} bytes{}{}\n",
                        choice.flags, 1e3 * choice.seconds_per_batch, 1e3 * choice.latency_seconds,
                        choice.peak_bytes, choice.fits ? "" : ", does not fit",
                        choice.chosen ? ", taken" : "");
  }
  if (best == nullptr) return text;
  for (const ParallelChoice& choice : choices)
    if (!choice.chosen && choice.fits && (next == nullptr || better(choice, *next, goal)))
      next = &choice;
  const char* what = goal == ParallelGoal::Latency ? "latency" : "time for a batch";
  if (!best->fits) return text + fmt::format("none fits; '{}' comes nearest\n", best->flags);
  if (next == nullptr) return text + fmt::format("'{}' is the only one that fits\n", best->flags);
  return text + fmt::format("'{}' has the least {}, {:.1f} % less than '{}'\n", best->flags, what,
                            100 * (1 - seconds_of(*best, goal) / seconds_of(*next, goal)),
                            next->flags);
}

}  // namespace tessera
