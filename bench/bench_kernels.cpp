// SPDX-License-Identifier: Apache-2.0
// Host speed of the matmul codelet on one thread, beside the machine's own limit: fused products in
// registers, measured in the same process around each figure. Hosts drift, so compare the ratios.
// Also what the specialisations of a BERT take to compile.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <vector>

#include "codelets/codelet.h"
#include "executor/jit.h"
#include "support/file.h"

namespace tessera {
namespace {

// Of this thread's processor time: what others do on the machine meanwhile does not count.
double now() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

template <class T>
T must(Expected<T> value) {
  if (value) return value.take();
  fmt::print(stderr, "{}\n", value.error().message);
  std::exit(1);
}

// The best of repetitions that last `budget` seconds together.
double best_seconds(double budget, const std::function<void()>& work) {
  double best = 1e30;
  for (const double start = now(); now() - start < budget;) {
    const double begin = now();
    work();
    best = std::min(best, now() - begin);
  }
  return best;
}

class Peak {
 public:
  explicit Peak(Jit& jit) {
    codelet_.name = "fma_peak";
    codelet_.bitcode = file_->bytes();
    const Jit::Request request{&codelet_, "", 1};
    run_ = must(jit.compile({&request, 1}, 1)).front().run;
  }

  double gflops() const {
    VertexOperand operand{};
    operand.size[0] = 1'000'000;
    float sums[kChains + 1];
    const double seconds = best_seconds(0.05, [&] { run_(&operand, sums); });
    return 2e-9 * kChains * sums[kChains] * static_cast<double>(operand.size[0]) / seconds;
  }

 private:
  static constexpr int kChains = 12;  // as fma_peak.tile.cpp
  std::shared_ptr<const MappedFile> file_ = must(MappedFile::open(TESSERA_FMA_PEAK_BITCODE));
  Codelet codelet_{};
  void (*run_)(const VertexOperand*, void*) = nullptr;
};

struct Case {
  int64_t m, k, n;
  DType dtype;
};

VertexOperand operand_of(const Shape& size, std::vector<std::byte>& bytes) {
  VertexOperand operand{};
  operand.data = bytes.data();
  const Shape stride = row_major_strides(size);
  for (size_t d = 0; d < kVertexRank; ++d) {
    operand.size[d] = d < size.size() ? size[d] : 1;
    operand.stride[d] = operand.size[d] == 1 ? 0 : stride[d];
  }
  return operand;
}

// GFLOP/s of the vertex: operands prepared beforehand, as the machine has constants, and with the
// preparing of a, as it has activations.
std::pair<double, double> matmul_gflops(Jit& jit, const Case& is) {
  const Codelet& codelet = *find_codelet("matmul");
  const std::vector<Param> params = {
      {"bias",       {0}},
      {"residual",   {0}},
      {"activation", {0}}
  };
  const std::vector<Shape> sizes = {
      {1, is.m, is.k},
      {1, is.k, is.n},
      {1, is.m, is.n}
  };
  VertexShape shape{&params, {}};
  for (const Shape& size : sizes) shape.operands.push_back({is.dtype, size, false});
  shape.operands.back().writes = true;
  const Jit::Request request{&codelet, codelet.constants(shape), sizes.size()};
  const Kernel kernel = must(jit.compile({&request, 1}, 1)).front();

  std::vector<std::vector<std::byte>> bytes, prepared;
  std::vector<VertexOperand> operands;
  for (size_t i = 0; i < sizes.size(); ++i) {
    bytes.emplace_back(static_cast<size_t>(elements(sizes[i]) * size_of(is.dtype)));
    prepared.emplace_back(static_cast<size_t>(codelet.prepared_bytes(shape, static_cast<int>(i))));
  }
  for (size_t i = 0; i < sizes.size(); ++i) {
    operands.push_back(operand_of(sizes[i], bytes[i]));
    if (!prepared[i].empty()) kernel.prepare[i](&operands[i], prepared[i].data());
  }
  std::vector<VertexOperand> ready = operands;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (!prepared[i].empty()) ready[i].data = prepared[i].data();
  }
  const double flops = 2e-9 * static_cast<double>(is.m * is.k * is.n);
  const double alone = best_seconds(0.15, [&] { kernel.run(ready.data(), nullptr); });
  const double with_a = best_seconds(0.15, [&] {
    if (!prepared[0].empty()) kernel.prepare[0](&operands[0], prepared[0].data());
    kernel.run(ready.data(), nullptr);
  });
  return {flops / alone, flops / with_a};
}

void compare_to_peak(Jit& jit) {
  const Peak peak(jit);
  constexpr Case kCases[] = {
      {137,  768,  96,  DType::F32},
      {137,  768,  96,  DType::F16},
      {70,   768,  32,  DType::F16},
      {128,  3072, 96,  DType::F16},
      {256,  64,   256, DType::F32},
      {4096, 768,  768, DType::F32},
      {4096, 768,  768, DType::F16},
  };
  fmt::print("{:>20} {:>5} {:>10} {:>7} {:>22}\n", "m x k x n", "dtype", "GFLOP/s", "of peak",
             "with a's preparation");
  for (const Case& is : kCases) {
    const double before = peak.gflops();
    const auto [alone, with_a] = matmul_gflops(jit, is);
    const double limit = std::max(before, peak.gflops());
    fmt::print("{:>20} {:>5} {:>10.1f} {:>6.1f}% {:>21.1f}%\n",
               fmt::format("{}x{}x{}", is.m, is.k, is.n), to_string(is.dtype), alone,
               100 * alone / limit, 100 * with_a / limit);
  }
}

// One after the other on one thread, in a JIT of their own.
void time_compiling(Jit& jit) {
  for (const DType dtype : {DType::F32, DType::F16}) {
    for (const double activation : {0, 2}) {
      const Codelet& codelet = *find_codelet("matmul");
      const std::vector<Param> params = {
          {"bias",       {1}         },
          {"residual",   {0}         },
          {"activation", {activation}}
      };
      VertexShape shape{&params, {}};
      for (const Shape& size : {
               Shape{1, 8, 8},
               Shape{1, 8, 8},
               Shape{8},
               Shape{1, 8, 8}
      }) {
        shape.operands.push_back({dtype, size, false});
      }
      const Jit::Request request{&codelet, codelet.constants(shape), shape.operands.size()};
      const double start = now();
      must(jit.compile({&request, 1}, 1));
      fmt::print("compiling matmul {} activation {}: {:.0f} ms\n", to_string(dtype), activation,
                 1e3 * (now() - start));
    }
  }
}

}  // namespace
}  // namespace tessera

int main() {
  const std::unique_ptr<tessera::Jit> jit = tessera::must(tessera::Jit::create());
  tessera::time_compiling(*jit);
  tessera::compare_to_peak(*jit);
}
