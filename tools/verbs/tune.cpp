// SPDX-License-Identifier: Apache-2.0
// tessera tune: measures how products are best blocked on this host, and keeps it.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "executor/jit_host.h"
#include "support/human.h"
#include "tools/print/print.h"
#include "tools/print/progress.h"
#include "tools/verbs/verb.h"
#include "tune/host.h"

namespace tessera::tools {
namespace {

po::options_description tune_flags() {
  po::options_description flags("Tuning");
  flags.add_options()("seconds", po::value<double>()->default_value(15),
                      "to measure for; a few more are spent compiling")(
      "threads", po::value<int>()->default_value(0), "that multiply at once; 0: one per core")(
      "dry_run", po::bool_switch(), "measure, and keep nothing")("json", po::bool_switch(),
                                                                 "print what was found as JSON");
  return flags;
}

std::string blocks_text(const MatMulBlocks& blocks) {
  return fmt::format("{} rows by {} terms, {} prefetching", blocks.rows, blocks.terms,
                     blocks.prefetch ? "with" : "without");
}

Expected<HostTuning> tune_with_progress(const TuningOptions& options) {
  Progress progress("tune");
  progress.step("compile candidates");
  return tune_host(options,
                   [&](int done, int all) { progress.step("measure, rounds", done, all); });
}

Status do_tune(const po::variables_map& flags) {
  TuningOptions options;
  options.seconds = flags["seconds"].as<double>();
  options.threads = flags["threads"].as<int>();
  const bool keeps = !flags["dry_run"].as<bool>();
  if (keeps) TRY(check_tuning_folder(options.cache_folder));
  const HostTuning found = TRY(tune_with_progress(options));
  if (keeps) TRY(write_tuning(options.cache_folder, options.cpu, found.chosen.blocks));
  if (flags["json"].as<bool>()) {
    print_json(host_tuning_json(found, keeps), 2);
    return {};
  }
  print("{}, {} threads: {} candidates in {} rounds\n", jit_host().cpu, found.threads,
        found.candidates, found.rounds);
  print("  chosen   {}: {} the products of BERT-base, {:.0f} GFLOP/s\n",
        blocks_text(found.chosen.blocks), human_seconds(found.chosen.seconds), found.gflops);
  print("  usual    {}: {}\n", blocks_text(found.usual.blocks), human_seconds(found.usual.seconds));
  constexpr double kNoisy = 0.05;
  if (found.chosen.spread > kNoisy || found.usual.spread > kNoisy)
    print("  noisy    the middle round took {:.0f} % more than the least: other work is going on\n",
          100 * std::max(found.chosen.spread, found.usual.spread));
  print("  {}\n", keeps ? "kept beside compiled codelets: machines that load from now on use it"
                        : "not kept (--dry_run)");
  return {};
}

}  // namespace

Verb tune_verb() {
  return {"measure how products are best blocked on this host, and keep it for later loads",
          "[--seconds S] [--threads N] [--dry_run] [--json]",
          "tessera tune",
          tune_flags,
          nullptr,
          do_tune};
}

}  // namespace tessera::tools
