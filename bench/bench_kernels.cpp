// SPDX-License-Identifier: Apache-2.0
// Host speed of the large codelets on one thread, beside the machine's own limit: fused products in
// registers, measured in the same process around each figure. Hosts drift, so compare the ratios.
// Time is this thread's processor time: what others do on the machine meanwhile does not count.
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
  const char* codelet;
  std::vector<Param> params;
  std::vector<Shape> sizes;  // of the operands; the last is written
  DType dtype;
  int64_t macs;
};

VertexOperand operand_of(const Shape& size, std::byte* bytes) {
  VertexOperand operand{};
  operand.data = bytes;
  const Shape stride = row_major_strides(size);
  for (size_t d = 0; d < kVertexRank; ++d) {
    operand.size[d] = d < size.size() ? size[d] : 1;
    operand.stride[d] = operand.size[d] == 1 ? 0 : stride[d];
  }
  return operand;
}

// A vertex with operands of zeros, in the layouts that its codelet wants.
class Vertex {
 public:
  Vertex(Jit& jit, const Case& is) {
    const Codelet& codelet = *find_codelet(is.codelet);
    VertexShape shape{&is.params, {}};
    for (const Shape& size : is.sizes) shape.operands.push_back({is.dtype, size, false});
    shape.operands.back().writes = true;
    const Jit::Request request{&codelet, codelet.constants(shape), is.sizes.size()};
    const double start = now();
    kernel_ = must(jit.compile({&request, 1}, 1)).front();
    compile_seconds_ = now() - start;
    scratch_.resize(static_cast<size_t>(codelet.scratch_bytes(shape)));
    for (size_t i = 0; i < is.sizes.size(); ++i) {
      memory_.emplace_back(static_cast<size_t>(elements(is.sizes[i]) * size_of(is.dtype)));
      raw_.push_back(operand_of(is.sizes[i], memory_.back().data()));
      const int64_t bytes = codelet.prepared_bytes(shape, static_cast<int>(i));
      prepared_.emplace_back(static_cast<size_t>(bytes));
      ready_.push_back(raw_.back());
      if (bytes > 0) ready_.back().data = prepared_.back().data();
    }
    for (size_t i = 0; i < raw_.size(); ++i) prepare(i);
  }

  void prepare(size_t i) {
    if (!prepared_[i].empty()) kernel_.prepare[i](&raw_[i], prepared_[i].data());
  }
  void run() { kernel_.run(ready_.data(), scratch_.data()); }
  double compile_seconds() const { return compile_seconds_; }

 private:
  Kernel kernel_;
  std::vector<std::vector<std::byte>> memory_, prepared_;
  std::vector<VertexOperand> raw_, ready_;
  std::vector<std::byte> scratch_;
  double compile_seconds_ = 0;
};

Case matmul(int64_t m, int64_t k, int64_t n, DType dtype, double activation = 0) {
  return {
      .codelet = "matmul",
      .params = {{"bias", {1}}, {"residual", {0}}, {"activation", {activation}}},
      .sizes = {{1, m, k}, {1, k, n}, {n}, {1, m, n}},
      .dtype = dtype,
      .macs = m * k * n
  };
}

Case attention(int64_t rows, int64_t keys, int64_t d, DType dtype) {
  return {
      .codelet = "attention",
      .params = {{"scale", {0.125}}, {"mask", {0}}},
      .sizes = {{1, rows, 1, d}, {1, keys, 1, d}, {1, keys, 1, d}, {1, rows, 1, d}},
      .dtype = dtype,
      .macs = 2 * rows * keys * d
  };
}

void measure(Jit& jit, const Peak& peak, const Case& is) {
  Vertex vertex(jit, is);
  const double before = peak.gflops();
  const double alone = best_seconds(0.15, [&] { vertex.run(); });
  const double prepared = best_seconds(0.15, [&] {
    for (size_t i = 0; i < is.sizes.size(); ++i) vertex.prepare(i);
    vertex.run();
  });
  const double flops = 2e-9 * static_cast<double>(is.macs);
  const double limit = std::max(before, peak.gflops());
  std::string sizes;
  for (const Shape& size : is.sizes) sizes += to_string(size);
  fmt::print("{:<10} {} {:<44} {:>6.1f} GFLOP/s {:>5.1f}%  {:>5.1f}%  {:>4.0f} ms\n", is.codelet,
             to_string(is.dtype), sizes, flops / alone, 100 * flops / alone / limit,
             100 * flops / prepared / limit, 1e3 * vertex.compile_seconds());
}

}  // namespace
}  // namespace tessera

int main() {
  using namespace tessera;
  const std::unique_ptr<Jit> jit = must(Jit::create());
  const Peak peak(*jit);
  fmt::print("fused products alone, one thread: {:.1f} GFLOP/s\n", peak.gflops());
  fmt::print("share of that with operands prepared, and with preparing all; time to compile\n");
  for (const Case& is : {matmul(137, 768, 96, DType::F32), matmul(137, 768, 96, DType::F16),
                         matmul(137, 768, 96, DType::F16, 2), matmul(70, 768, 32, DType::F16),
                         matmul(128, 3072, 96, DType::F16), matmul(4096, 768, 768, DType::F32),
                         matmul(4096, 768, 768, DType::F16), attention(256, 256, 64, DType::F32),
                         attention(256, 256, 64, DType::F16), attention(32, 128, 64, DType::F16)}) {
    measure(*jit, peak, is);
  }
}
