// SPDX-License-Identifier: Apache-2.0
// How the host's time grows: with threads, with the tiles of the simulated machine, with tokens.
#include <fmt/format.h>

#include "bench/speed/bench.h"

namespace tessera::speed {
namespace {

// BERT-base's layers, but two of them: enough to see how time grows, and quick.
Expected<std::string> two_layers(Bench& bench) {
  MakeModelOptions options = TRY(make_model_preset("base"));
  options.layers = 2;
  options.vocab = 1000;
  return bench.model("bert_two_layers", options);
}

Expected<std::unique_ptr<Runner>> two_layer_runner(Bench& bench, int64_t rows, int64_t tiles,
                                                   int threads) {
  CompileOptions options = bert_options(rows, 256);
  options.target = roomy_target(tiles);
  const std::string popef = TRY(bench.executable(fmt::format("two_layers_{}_{}", rows, tiles),
                                                 TRY(two_layers(bench)), options));
  return Runner::load(popef, threads);
}

Contestant timed_run(Runner& runner) {
  return [&runner] { return timed([&runner] { return runner.run(); }); };
}

}  // namespace

Status run_threads(Bench& bench) {
  const int threads = bench.options().threads;
  const char* section = "threads: two layers of BERT-base, 16x256";
  if (threads < 2) {
    bench.table().leave_out(section, "more threads over one", "--threads is 1");
    return {};
  }
  bench.progress("threads");
  const auto one = TRY(two_layer_runner(bench, 16, 1472, 1));
  const auto all = TRY(two_layer_runner(bench, 16, 1472, threads));
  // In peaks' worth, so that the clock cancels out: 1e9 / GFLOP/s is what the peak takes for a
  // GFLOP.
  const auto series =
      TRY(alternate(15, {timed_run(*one), timed_run(*all),
                         [&]() -> Expected<double> { return 1 / bench.peak().gflops(1); },
                         [&]() -> Expected<double> { return 1 / bench.peak().gflops(threads); }}));
  bench.table().add(
      {.section = section,
       .what = fmt::format("{} threads over one", threads),
       .unit = "x",
       .is = ratio(series[0], series[1]),
       .goal = 0.95 * threads,
       .note = fmt::format("the FMA peak itself: {:.2f}x", ratio(series[2], series[3]).median)});
  return {};
}

Status run_tiles(Bench& bench) {
  bench.progress("tiles");
  const auto many = TRY(two_layer_runner(bench, 16, 1472, bench.options().threads));
  const auto few = TRY(two_layer_runner(bench, 16, 64, bench.options().threads));
  const auto series = TRY(alternate(15, {timed_run(*many), timed_run(*few)}));
  bench.table().add({.section = "tiles: two layers of BERT-base, 16x256, tiles of any memory",
                     .what = "time on 1,472 tiles over time on 64",
                     .unit = "x",
                     .is = ratio(series[0], series[1]),
                     .goal = 1.05,
                     .bound = Bound::AtMost,
                     .note = ""});
  return {};
}

Status run_scaling(Bench& bench) {
  constexpr int64_t kRows[] = {1, 2, 4, 8, 16, 32, 64};
  const char* section =
      "scaling: two layers of BERT-base, rows of 256 tokens, 1,472 tiles of any memory";
  std::vector<std::unique_ptr<Runner>> runners;
  std::vector<Contestant> contestants;
  for (const int64_t rows : kRows) {
    runners.push_back(TRY(two_layer_runner(bench, rows, 1472, bench.options().threads)));
    contestants.push_back(timed_run(*runners.back()));
  }
  bench.progress("scaling in tokens");
  const auto series = TRY(alternate(5, contestants));
  const std::vector<double>& largest = series.back();
  double worst = 0;
  for (size_t i = 0; i < std::size(kRows); ++i) {
    const auto rows = static_cast<double>(kRows[i]);
    const double per_token = spread_of(series[i]).median / (rows * 256);
    // Against what a batch of 64 rows takes for as many tokens, round by round.
    const Spread relative = scaled(ratio(series[i], largest), 64 / rows);
    worst = std::max(worst, relative.median);
    const auto bar = static_cast<size_t>(40 * relative.median);
    bench.table().add({
        .section = section,
        .what = fmt::format("{:>2} rows, {:>6.1f} ms", kRows[i], 1e3 * spread_of(series[i]).median),
        .unit = "us/token",
        .is = Spread{1e6 * per_token, 1e6 * per_token, 1e6 * per_token},
        .goal = {},
        .note = std::string(bar, '=')
    });
  }
  bench.table().add({
      .section = section,
      .what = "a token's time at worst over its time at 64 rows",
      .unit = "x",
      .is = Spread{worst, worst, worst},
      .goal = 1.15,
      .bound = Bound::AtMost,
      .note = "what linear means here"
  });
  return {};
}

}  // namespace tessera::speed
