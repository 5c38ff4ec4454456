// SPDX-License-Identifier: Apache-2.0
// Models so small that what the host does between supersteps shows.
#include <fmt/format.h>

#include <algorithm>

#include "bench/speed/bench.h"

namespace tessera::speed {
namespace {

constexpr int64_t kLength = 128;
constexpr int kRounds = 7;

// So many runs; the median of their seconds, as of the peer's: the first finds other data in the
// caches.
Contestant repeated(Runner& runner, int times) {
  return [&runner, times]() -> Expected<double> {
    std::vector<double> seconds;
    for (int i = 0; i < times; ++i) seconds.push_back(TRY(timed([&] { return runner.run(); })));
    return spread_of(seconds).median;
  };
}

Contestant repeated(Peer& peer, int64_t rows, int times) {
  const PeerBatch batch{kLength, std::vector<int64_t>(static_cast<size_t>(rows), kLength)};
  return [&peer, batch, times]() -> Expected<double> {
    const std::vector<double> seconds =
        TRY(peer.run(std::vector<PeerBatch>(static_cast<size_t>(times), batch)));
    return spread_of(seconds).median;
  };
}

Status compare(Bench& bench, const std::string& name, const std::string& model, int64_t rows) {
  const std::string section = "small: sequence 128, padded";
  CompileOptions options = bert_options(rows, kLength);
  options.target = roomy_target(1472);
  const std::string popef = TRY(bench.executable(fmt::format("{}_{}", name, rows), model, options));
  const auto runner = TRY(Runner::load(popef, bench.options().threads));
  TRY(runner->run());
  const double once = TRY(timed([&] { return runner->run(); }));
  const int times = std::clamp(static_cast<int>(0.1 / once), 5, 200);
  const std::string what = fmt::format("{}, batch {}: Tessera / ONNX Runtime", name, rows);
  bench.progress(what);
  const Expected<Peer*> peer = bench.peer(model);
  if (!peer) {
    bench.table().leave_out(section, what, peer.error().message);
    return {};
  }
  const auto series =
      TRY(alternate(kRounds, {repeated(*runner, times), repeated(**peer, rows, times)}));
  bench.table().add(
      {.section = section,
       .what = what,
       .unit = "x",
       .is = ratio(series[1], series[0]),
       .goal = rows == 1 ? std::optional(1.0) : std::nullopt,
       .note = fmt::format("{:.0f} us against {:.0f} us, {} supersteps",
                           1e6 * spread_of(series[0]).median, 1e6 * spread_of(series[1]).median,
                           runner->machine().executable().program.supersteps.size())});
  return {};
}

// A model whose supersteps have next to nothing to do: what is left is what a superstep costs.
Status overhead(Bench& bench, const std::string& model) {
  bench.progress("host time of an empty superstep");
  CompileOptions options = bert_options(1, 1);
  const std::string popef = TRY(bench.executable("one_token", model, options));
  for (const int threads : {1, bench.options().threads}) {
    const auto runner = TRY(Runner::load(popef, threads));
    const auto series = TRY(alternate(15, {repeated(*runner, 200)}));
    const auto steps =
        static_cast<double>(runner->machine().executable().program.supersteps.size());
    bench.table().add({.section = "small: host time of a superstep",
                       .what = fmt::format("tiny, one token, {} supersteps, {} thread{}", steps,
                                           threads, threads == 1 ? "" : "s"),
                       .unit = "us",
                       .is = scaled(spread_of(series[0]), 1e6 / steps),
                       .goal = 2,
                       .bound = Bound::AtMost,
                       .note = "its work included"});
  }
  return {};
}

}  // namespace

Status run_small(Bench& bench) {
  MakeModelOptions tiny = TRY(make_model_preset("tiny"));
  tiny.max_position = 512;
  tiny.vocab = 30522;  // the peer draws ids from a real one
  const struct {
    std::string name, model;
  } models[] = {
      {"minilm", TRY(bench.model("minilm", TRY(make_model_preset("minilm"))))},
      {"tiny",   TRY(bench.model("tiny",   tiny))                            }
  };
  for (const auto& [name, model] : models) {
    for (const int64_t rows : {1, 16}) TRY(compare(bench, name, model, rows));
    bench.stop_peers();
  }
  return overhead(bench, models[1].model);
}

}  // namespace tessera::speed
