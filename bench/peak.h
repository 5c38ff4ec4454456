// SPDX-License-Identifier: Apache-2.0
// The host's limit: fused products in registers and nothing else (fma_peak.tile.cpp). Hosts drift,
// so it is measured around each figure, and shares are compared, not figures.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "codelets/codelet.h"
#include "executor/jit.h"
#include "support/expected.h"
#include "support/file.h"

namespace tessera {

template <class T>
T must(Expected<T> value) {
  if (value) return value.take();
  fmt::print(stderr, "{}\n", value.error().message);
  std::exit(1);
}

class Peak {
 public:
  explicit Peak(Jit& jit) {
    codelet_.name = "fma_peak";
    codelet_.bitcode = file_->bytes();
    const Jit::Request request{&codelet_, ""};
    run_ = must(jit.compile({&request, 1}, 1)).front().run;
  }

  // GFLOP/s of `threads` threads at once, the best of some repetitions.
  double gflops(int threads) const {
    double best = 0;
    for (int repetition = 0; repetition < 20; ++repetition) best = std::max(best, once(threads));
    return best;
  }

 private:
  static constexpr int kChains = 12;  // as fma_peak.tile.cpp
  static constexpr int64_t kProducts = 1'000'000;

  double once(int threads) const {
    const auto begin = std::chrono::steady_clock::now();
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back([this] { run(); });
    const double lanes = run();
    for (std::thread& other : others) other.join();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    return 2e-9 * kChains * lanes * threads * static_cast<double>(kProducts) / seconds.count();
  }

  // Returns the lanes of a register.
  double run() const {
    VertexOperand operand{};
    operand.size[0] = kProducts;
    float sums[kChains + 1];
    run_(&operand, sums);
    return sums[kChains];
  }

  std::shared_ptr<const MappedFile> file_ = must(MappedFile::open(TESSERA_FMA_PEAK_BITCODE));
  Codelet codelet_{};
  void (*run_)(const VertexOperand*, void*) = nullptr;
};

}  // namespace tessera
