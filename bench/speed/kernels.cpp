// SPDX-License-Identifier: Apache-2.0
// Single operations beside the machine's limit: BERT-base's matmuls, attention on the
// lengths of real batches, and what a batch spends on everything that is not a product.
#include <fmt/format.h>

#include <numeric>

#include "bench/speed/bench.h"
#include "bench/speed/workload.h"
#include "codelets/codelet.h"
#include "packing/pack.h"

namespace tessera::speed {
namespace {

constexpr double kGiga = 1e9;
constexpr int kLeastRepetitions = 3;
constexpr double kLeastSeconds = 0.1;  // about what measuring the peak takes

// Work that is a row of the table.
struct Work {
  std::string what;
  int threads;
  double flops;
  std::unique_ptr<Runner> runner;
  std::vector<double> shares;  // of the peak, in percent, by round
};

// The best of some repetitions, as the peak is.
Expected<double> best_seconds(Runner& runner) {
  double best = TRY(runner.supersteps());
  double spent = best;
  for (int again = 1; again < kLeastRepetitions || spent < kLeastSeconds; ++again) {
    const double took = TRY(runner.supersteps());
    best = std::min(best, took);
    spent += took;
  }
  return best;
}

// Each beside the peak before and after it, all in turn: a host that is busy for a while spoils
// some rounds of every row, not all rounds of some.
Status measure_shares(const Bench& bench, int rounds, std::vector<Work>& all) {
  for (Work& work : all) TRY(work.runner->supersteps());
  for (int round = 0; round < rounds; ++round) {
    for (Work& work : all) {
      bench.progress(fmt::format("{} ({} of {})", work.what, round + 1, rounds));
      const double before = bench.peak().gflops(work.threads);
      const double seconds = TRY(best_seconds(*work.runner));
      const double limit = std::max(before, bench.peak().gflops(work.threads));
      work.shares.push_back(100 * work.flops / seconds / kGiga / limit);
    }
  }
  return {};
}

std::string on_threads(int threads) {
  return fmt::format(", {} thread{}", threads, threads == 1 ? "" : "s");
}

struct MatMul {
  int64_t n, k;
  const char* role;
};
constexpr int64_t kRows = 4096;
constexpr MatMul kMatMuls[] = {
    {768,  768,  "attention output" },
    {2304, 768,  "query, key, value"},
    {3072, 768,  "feed-forward, in" },
    {768,  3072, "feed-forward, out"}
};

// x · w, then what is asked for of bias, gelu and residual.
std::string matmul_text(const MatMul& is, bool bias, bool gelu, bool residual) {
  const std::string out = fmt::format("f16[{},{}]", kRows, is.n);
  std::string body = fmt::format("  %w = constant {{value=0.01}} : f16[{},{}]\n", is.k, is.n);
  body += fmt::format("  %m = matmul %x, %w : {}\n", out);
  const char* last = "%m";
  if (bias) {
    body += fmt::format("  %c = constant {{value=0.5}} : f16[{}]\n", is.n);
    body += fmt::format("  %cb = broadcast %c {{shape=[{},{}]}} : {}\n", kRows, is.n, out);
    body += fmt::format("  %a = add %m, %cb : {}\n", out);
    last = "%a";
  }
  if (gelu) {
    body += fmt::format("  %g = gelu {} {{form=\"erf\"}} : {}\n", last, out);
    last = "%g";
  }
  if (residual) {
    body += fmt::format("  %s = add {}, %r : {}\n", last, out);
    last = "%s";
  }
  return fmt::format("graph @matmul(%x: f16[{},{}]{}) {{\n{}  return {}\n}}\n", kRows, is.k,
                     residual ? ", %r: " + out : "", body, last);
}

Expected<std::unique_ptr<Runner>> matmul_runner(const MatMul& is, int threads, bool bias = true,
                                                bool gelu = false, bool residual = false) {
  return Runner::create(TRY(compile_text(matmul_text(is, bias, gelu, residual))), threads);
}

}  // namespace

Status run_matmul(Bench& bench) {
  std::vector<Work> all;
  for (const int threads : {1, bench.options().threads}) {
    for (const MatMul& is : kMatMuls) {
      all.push_back(
          {.what = fmt::format("{}x{}x{} ({}){}", kRows, is.n, is.k, is.role, on_threads(threads)),
           .threads = threads,
           .flops = 2.0 * kRows * static_cast<double>(is.n * is.k),
           .runner = TRY(matmul_runner(is, threads)),
           .shares = {}});
    }
  }
  TRY(measure_shares(bench, 15, all));
  for (const Work& work : all) {
    const Spread share = spread_of(work.shares);
    const double peak = bench.peak().gflops(work.threads);
    bench.table().add(
        {.section = "matmul: BERT-base's, fp16 stored, with bias; of the FMA peak",
         .what = work.what,
         .unit = "%",
         .is = share,
         .goal = 90,
         .note = fmt::format("{:.0f} of {:.0f} GFLOP/s", share.median / 100 * peak, peak)});
  }
  return {};
}

Status run_attention(Bench& bench) {
  const PackedWorkload packed = TRY(pack_workload());
  const std::string text =
      "graph @attention(%q: f16[16,256,768], %k: f16[16,256,768], %v: f16[16,256,768],\n"
      "                 %mask: i32[16,256]) {\n"
      "  %a = attention %q, %k, %v, %mask {heads=12, mask=\"segments\", scale=0.125} : "
      "f16[16,256,768]\n"
      "  return %a\n}\n";
  const PackedBatch& batch = packed.batches[packed.batches.size() / 2];
  double scores = 0;
  for (const Placement& place : batch.placements)
    scores += static_cast<double>(place.length * place.length);
  std::vector<Work> all;
  for (const int threads : {1, bench.options().threads}) {
    all.push_back({.what = fmt::format("{} requests, products of their own lengths{}",
                                       batch.placements.size(), on_threads(threads)),
                   .threads = threads,
                   .flops = 2.0 * 2.0 * scores * 768,
                   .runner = TRY(Runner::create(TRY(compile_text(text)), threads)),
                   .shares = {}});
    all.back().runner->set_input("mask", packed_mask(packed.contract, batch));
  }
  TRY(measure_shares(bench, 45, all));
  for (const Work& work : all) {
    bench.table().add(
        {.section = "attention: 12 heads of 64, a packed batch of 16x256; of the FMA peak",
         .what = work.what,
         .unit = "%",
         .is = spread_of(work.shares),
         .goal = 75,
         .note = fmt::format("{:.2f} GFLOP", work.flops / kGiga)});
  }
  return {};
}

namespace {

// The time of an attention of scores alone: that of a score's products grows with the head size and
// the rest does not, so two head sizes tell them apart.
Expected<double> softmax_seconds(int threads, int rounds) {
  const auto text = [](int64_t size) {
    const std::string type = fmt::format("f16[16,256,{}]", 12 * size);
    return fmt::format(
        "graph @attention(%q: {0}, %k: {0}, %v: {0}, %mask: i32[16,256]) {{\n"
        "  %a = attention %q, %k, %v, %mask {{heads=12, mask=\"segments\", scale=0.125}} : {0}\n"
        "  return %a\n}}\n",
        type);
  };
  const auto narrow = TRY(Runner::create(TRY(compile_text(text(64))), threads));
  const auto wide = TRY(Runner::create(TRY(compile_text(text(128))), threads));
  const auto series = TRY(alternate(
      rounds, {[&] { return narrow->supersteps(); }, [&] { return wide->supersteps(); }}));
  return std::max(0.0, 2 * spread_of(series[0]).median - spread_of(series[1]).median);
}

// Seconds that the second of two matmuls takes beyond the first: of the fastest runs of both, as
// the difference is smaller than what a host's drift adds to either.
Expected<double> extra_seconds(Runner& plain, Runner& with, int rounds) {
  const auto series = TRY(
      alternate(rounds, {[&] { return plain.supersteps(); }, [&] { return with.supersteps(); }}));
  return std::ranges::min(series[1]) - std::ranges::min(series[0]);
}

}  // namespace

Status run_share(Bench& bench) {
  constexpr int kRounds = 15;
  const int threads = bench.options().threads;
  bench.progress("share of what is not a product");
  double epilogues = 0;
  for (const MatMul& is : kMatMuls) {
    const bool gelu = is.n == 3072, residual = is.n == 768;
    const auto plain = TRY(matmul_runner(is, threads, false));
    const auto with = TRY(matmul_runner(is, threads, true, gelu, residual));
    epilogues += TRY(extra_seconds(*plain, *with, kRounds));
  }
  const double softmax = TRY(softmax_seconds(threads, kRounds));

  const std::string popef =
      TRY(bench.executable("padded", TRY(bench.bert_base()), bert_options(16, 256)));
  const auto runner = TRY(Runner::load(popef, threads));
  TRY(runner->run());
  runner->machine().host_profile();
  std::vector<double> shares, norms;
  for (int i = 0; i < 3; ++i) {
    TRY(runner->run());
    double all = 0, others = 0;
    for (const HostStep& step : runner->machine().host_profile()) {
      all += step.seconds;
      const Role role = find_codelet(step.codelet)->role;
      if (role == Role::Other || role == Role::Reduction) others += step.seconds;
    }
    norms.push_back(100 * others / all);
    shares.push_back(100 * (others + 12 * (epilogues + softmax)) / all);
  }
  const double layer = 1e3 * epilogues;
  bench.table().add({.section = "share: of a padded batch of BERT-base 16x256",
                     .what = "layer norm and everything else that is a superstep of its own",
                     .unit = "%",
                     .is = spread_of(norms),
                     .goal = {},
                     .note = "by the machine's profile"});
  bench.table().add(
      {.section = "share: of a padded batch of BERT-base 16x256",
       .what = "softmax, gelu, layer norm, bias and residual",
       .unit = "%",
       .is = spread_of(shares),
       .goal = 6,
       .bound = Bound::AtMost,
       .note = fmt::format("a layer: epilogues {:.2f} ms (matmuls with and without), softmax "
                           "{:.2f} ms (two head sizes)",
                           layer, 1e3 * softmax)});
  return {};
}

}  // namespace tessera::speed
