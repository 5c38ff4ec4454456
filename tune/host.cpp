// SPDX-License-Identifier: Apache-2.0
#include "tune/host.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "codelets/codelet.h"
#include "executor/host_memory.h"
#include "executor/jit.h"
#include "executor/jit_host.h"
#include "executor/pieces.h"
#include "executor/thread_pool.h"
#include "support/float_mode.h"
#include "support/guard.h"
#include "support/half.h"

namespace tessera {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// a[1,rows,k] · b[1,k,n] in f16, b one for all threads.
struct Sizes {
  int64_t k, n;
};
constexpr int64_t kMeasuredRows = 288;
constexpr Sizes kSizes[] = {
    {768,  768 },
    {768,  3072},
    {3072, 768 }
};
constexpr const char* kMeasured = "matmul";
constexpr double kFlops = 2.0 * kMeasuredRows * (768.0 * 768 + 2 * 768.0 * 3072);

class Matrix {
 public:
  static Expected<Matrix> allocate(const Shape& shape) {
    Matrix matrix;
    matrix.shape_ = shape;
    matrix.memory_ = TRY(HostBuffer::allocate(elements(shape) * 2));
    auto* const halves = reinterpret_cast<uint16_t*>(matrix.memory_.data());
    for (int64_t i = 0; i < elements(shape); ++i)
      halves[i] = to_half(static_cast<float>(i * 7919 % 2001 - 1000) * 1e-3F);
    return matrix;
  }
  VertexOperand operand() const {
    JoinedOperand whole;
    whole.dtype = DType::F16;
    whole.view = shape_;
    for (const int64_t size : shape_) whole.box.push_back({0, size});
    return operand_over(whole, memory_.data());
  }
  const Shape& shape() const { return shape_; }

 private:
  Shape shape_;
  HostBuffer memory_;
};

// The matrices that a thread multiplies, by the products of kSizes.
struct ThreadMatrices {
  std::vector<Matrix> a, out;
  HostBuffer scratch;
};

class Bench {
 public:
  static Expected<std::unique_ptr<Bench>> create(const TuningOptions& options, int threads) {
    auto bench = std::make_unique<Bench>(threads);
    TRY(bench->prepare(options));
    return bench;
  }
  explicit Bench(int threads) : pool_(threads) {}

  int threads() const { return pool_.size(); }

  // The time of all products one after the other, each on all threads at once.
  double seconds(size_t candidate) {
    double sum = 0;
    for (size_t p = 0; p < std::size(kSizes); ++p) {
      const Kernel& kernel = kernels_[candidate];
      const double begin = now();
      pool_.run([&](int thread) {
        ThreadMatrices& own = matrices_[static_cast<size_t>(thread)];
        const VertexOperand operands[] = {own.a[p].operand(), b_[p].operand(),
                                          own.out[p].operand()};
        kernel.run(operands, own.scratch.data());
      });
      sum += now() - begin;
    }
    return sum;
  }

 private:
  Status prepare(const TuningOptions& options) {
    jit_ = TRY(Jit::create({options.cpu, options.cache_folder}));
    for (const Sizes& is : kSizes) b_.push_back(TRY(Matrix::allocate({1, is.k, is.n})));
    int64_t scratch = 0;
    std::vector<Jit::Request> requests;
    for (const MatMulBlocks& blocks : tuning_candidates()) {
      std::vector<Param> params = {
          {"bias",       {0}},
          {"residual",   {0}},
          {"activation", {0}}
      };
      add_blocks(blocks, params);
      const Codelet& codelet = *find_codelet(kMeasured);
      for (const Sizes& is : kSizes) {
        const VertexShape shape{
            &params,
            {{DType::F16, {1, kMeasuredRows, is.k}, false},
                    {DType::F16, {1, is.k, is.n}, false},
                    {DType::F16, {1, kMeasuredRows, is.n}, true}}
        };
        scratch = std::max(scratch, codelet.scratch_bytes(shape));
        if (&is == &kSizes[0]) requests.push_back({&codelet, codelet.constants(shape)});
      }
    }
    kernels_ = TRY(jit_->compile(requests, pool_.size()));
    for (int t = 0; t < pool_.size(); ++t) {
      ThreadMatrices& own = matrices_.emplace_back();
      for (const Sizes& is : kSizes) {
        own.a.push_back(TRY(Matrix::allocate({1, kMeasuredRows, is.k})));
        own.out.push_back(TRY(Matrix::allocate({1, kMeasuredRows, is.n})));
      }
      own.scratch = TRY(HostBuffer::allocate(scratch));
    }
    return {};
  }

  ThreadPool pool_;
  std::unique_ptr<Jit> jit_;
  std::vector<Kernel> kernels_;  // by candidate
  std::vector<Matrix> b_;
  std::vector<ThreadMatrices> matrices_;  // by thread
};

MeasuredBlocks summary(const MatMulBlocks& blocks, std::vector<double> rounds) {
  std::ranges::sort(rounds);
  const double least = rounds.front();
  return {blocks, least, rounds[rounds.size() / 2] / least - 1};
}

Expected<HostTuning> measure(const TuningOptions& options,
                             const std::function<void(int, int)>& progress) {
  if (!(options.seconds > 0 && options.seconds <= 600))
    return Error{fmt::format("seconds: {:g}, must be above 0 and at most 600", options.seconds),
                 ErrorKind::Usage};
  const KernelFloatMode mode;
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const auto bench = TRY(Bench::create(options, options.threads > 0 ? options.threads : cores));
  const std::vector<MatMulBlocks> candidates = tuning_candidates();
  std::vector<std::vector<double>> rounds(candidates.size());
  const double begin = now();
  int done = 0;
  for (; done < 1 || now() - begin < options.seconds; ++done) {
    for (size_t i = 0; i < candidates.size(); ++i) rounds[i].push_back(bench->seconds(i));
    const double share = std::max(1e-3, (now() - begin) / std::max(1e-3, options.seconds));
    if (progress)
      progress(done + 1,
               std::max(done + 1, static_cast<int>(static_cast<double>(done + 1) / share)));
  }
  HostTuning found;
  found.candidates = static_cast<int>(candidates.size());
  found.rounds = done;
  found.threads = bench->threads();
  for (size_t i = 0; i < candidates.size(); ++i) {
    const MeasuredBlocks one = summary(candidates[i], rounds[i]);
    if (i == 0) found.usual = found.chosen = one;
    constexpr double kWorthIt = 0.99;
    const bool is_usual = found.chosen.seconds == found.usual.seconds;
    if (one.seconds < found.chosen.seconds * (is_usual ? kWorthIt : 1)) found.chosen = one;
  }
  found.gflops = 1e-9 * kFlops * found.threads / found.chosen.seconds;
  return found;
}

nlohmann::ordered_json blocks_json(const MeasuredBlocks& measured) {
  return {
      {"rows",     measured.blocks.rows    },
      {"terms",    measured.blocks.terms   },
      {"prefetch", measured.blocks.prefetch},
      {"seconds",  measured.seconds        },
      {"spread",   measured.spread         }
  };
}

}  // namespace

Expected<HostTuning> tune_host(const TuningOptions& options,
                               const std::function<void(int, int)>& progress) {
  return guarded("tune", [&] { return measure(options, progress); });
}

nlohmann::ordered_json host_tuning_json(const HostTuning& found, bool kept) {
  return {
      {"schema",     "tessera-tune/1"         },
      {"cpu",        jit_host().cpu           },
      {"threads",    found.threads            },
      {"candidates", found.candidates         },
      {"rounds",     found.rounds             },
      {"chosen",     blocks_json(found.chosen)},
      {"usual",      blocks_json(found.usual) },
      {"gflops",     found.gflops             },
      {"kept",       kept                     }
  };
}

}  // namespace tessera
