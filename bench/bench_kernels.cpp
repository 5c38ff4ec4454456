// SPDX-License-Identifier: Apache-2.0
// Host speed of the large codelets on one thread, beside the machine's own limit: fused products in
// registers, measured in the same process around each figure. Hosts drift, so compare the ratios.
// Time is this thread's processor time: what others do on the machine meanwhile does not count.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include "bench/peak.h"
#include "codelets/codelet.h"
#include "codelets/matmul.h"
#include "executor/host_memory.h"
#include "executor/jit.h"
#include "support/float_mode.h"
#include "support/half.h"

namespace tessera {
namespace {

double now() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
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

// The numbers in a kernel's operands. A kernel that took longer for some of them would let a
// model's weights, or a caller's input, decide how long a batch takes.
struct Data {
  const char* name;
  std::function<float(int64_t)> value;  // of element i
};

float ordinary(int64_t i) { return static_cast<float>(i * 7919 % 2001 - 1000) * 1e-3F; }

const std::vector<Data>& data_kinds() {
  static const std::vector<Data> kinds = {
      {"ordinary",          ordinary                                                             },
      {"zeros",             [](int64_t) { return 0.0F; }                                         },
      {"equal rows",        [](int64_t) { return 0.5F; }                                         },
      {"subnormals of f32", [](int64_t i) { return ordinary(i) * 1e-39F; }                       },
      {"one in twenty",     [](int64_t i) { return ordinary(i) * (i % 20 == 0 ? 1e-39F : 1.0F); }},
      {"subnormals of f16", [](int64_t i) { return ordinary(i) * 6e-5F; }                        },
      {"products that are", [](int64_t i) { return ordinary(i) * 1e-19F; }                       },
      {"huge",              [](int64_t i) { return ordinary(i) * 3e38F; }                        },
      {"infinities",        [](int64_t i) { return i % 3 == 0 ? HUGE_VALF : ordinary(i); }       },
      {"NaN",               [](int64_t i) { return i % 3 == 0 ? std::nanf("") : ordinary(i); }   },
  };
  return kinds;
}

class Vertex {
 public:
  Vertex(Jit& jit, const Case& is, const Data& data = data_kinds().front()) {
    const Codelet& codelet = *find_codelet(is.codelet);
    VertexShape shape{&is.params, {}};
    for (const Shape& size : is.sizes) shape.operands.push_back({is.dtype, size, false});
    shape.operands.back().writes = true;
    const Jit::Request request{&codelet, codelet.constants(shape)};
    const double start = now();
    kernel_ = must(jit.compile({&request, 1}, 1)).front();
    compile_seconds_ = now() - start;
    scratch_ = must(HostBuffer::allocate(codelet.scratch_bytes(shape)));
    for (const Shape& size : is.sizes) {
      memory_.push_back(must(HostBuffer::allocate(elements(size) * size_of(is.dtype))));
      for (int64_t i = 0; i < elements(size); ++i) store(is.dtype, data.value(i), i);
      operands_.push_back(operand_of(size, memory_.back().data()));
    }
  }

  void run() { kernel_.run(operands_.data(), scratch_.data()); }
  double compile_seconds() const { return compile_seconds_; }

 private:
  // Writes element i of the last operand.
  void store(DType dtype, float value, int64_t i) {
    std::byte* const to = memory_.back().data() + i * size_of(dtype);
    const uint16_t half = to_half(value);
    std::memcpy(to, dtype == DType::F16 ? static_cast<const void*>(&half) : &value,
                static_cast<size_t>(size_of(dtype)));
  }

  Kernel kernel_;
  std::vector<HostBuffer> memory_;
  std::vector<VertexOperand> operands_;
  HostBuffer scratch_;
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

// The sum is taken in parts of this many terms, as the direct machine joins it with
// reduce_partials.
Case in_parts(Case is, int64_t terms) {
  is.params.push_back({kPartTerms, {static_cast<double>(terms)}});
  is.params.push_back({kPartElement, {static_cast<double>(DType::F16)}});
  return is;
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
  const double before = peak.gflops(1);
  const double seconds = best_seconds(0.15, [&] { vertex.run(); });
  const double flops = 2e-9 * static_cast<double>(is.macs);
  const double limit = std::max(before, peak.gflops(1));
  std::string sizes;
  for (const Shape& size : is.sizes) sizes += to_string(size);
  if (const auto* terms = find_param(is.params, kPartTerms))
    sizes += fmt::format(" by {}", (*terms)[0]);
  fmt::print("{:<10} {} {:<52} {:>6.1f} GFLOP/s {:>5.1f}%  {:>4.0f} ms\n", is.codelet,
             to_string(is.dtype), sizes, flops / seconds, 100 * flops / seconds / limit,
             1e3 * vertex.compile_seconds());
}

Case softmax(int64_t rows, int64_t n, DType dtype) {
  return {
      .codelet = "softmax",
      .params = {},
      .sizes = {{rows, n}, {rows, n}},
      .dtype = dtype,
      .macs = 0
  };
}

Case layer_norm(int64_t rows, int64_t n, DType dtype) {
  return {
      .codelet = "layer_norm",
      .params = {{"eps", {1e-5}}, {"residual", {0}}},
      .sizes = {{rows, n}, {n}, {n}, {rows, n}},
      .dtype = dtype,
      .macs = 0
  };
}

// Time over that of ordinary data, each the best of turns that follow one another.
void measure_data(Jit& jit, const Case& is) {
  std::vector<std::unique_ptr<Vertex>> vertices;
  for (const Data& data : data_kinds()) vertices.push_back(std::make_unique<Vertex>(jit, is, data));
  std::vector<double> best(vertices.size(), 1e30);
  for (int turn = 0; turn < 8; ++turn) {
    for (size_t i = 0; i < vertices.size(); ++i)
      best[i] = std::min(best[i], best_seconds(0.01, [&] { vertices[i]->run(); }));
  }
  fmt::print("{:<10} {} {:<24}", is.codelet, to_string(is.dtype), to_string(is.sizes.front()));
  for (size_t i = 1; i < best.size(); ++i) fmt::print(" {:>17.2f}", best[i] / best[0]);
  fmt::print("\n");
}

}  // namespace
}  // namespace tessera

// bench_kernels [CPU]: as LLVM names it, to see what hosts with narrower vectors reach.
int main(int count, char** words) {
  using namespace tessera;
  const KernelFloatMode mode;
  const std::unique_ptr<Jit> jit = must(Jit::create({.cpu = count > 1 ? words[1] : ""}));
  const Peak peak(*jit);
  fmt::print("fused products alone, one thread: {:.1f} GFLOP/s\n", peak.gflops(1));
  fmt::print("share of that; time to compile\n");
  for (const Case& is : {matmul(256, 768, 768, DType::F16), matmul(256, 768, 3072, DType::F16),
                         matmul(256, 3072, 768, DType::F16), matmul(256, 768, 2304, DType::F16),
                         matmul(256, 768, 768, DType::F32), matmul(256, 768, 768, DType::F16, 2),
                         in_parts(matmul(256, 768, 3072, DType::F16, 2), 384),
                         in_parts(matmul(256, 3072, 768, DType::F16), 384),
                         in_parts(matmul(256, 768, 2304, DType::F16), 256),
                         in_parts(matmul(256, 768, 768, DType::F16), 128),
                         matmul(128, 384, 384, DType::F16), matmul(70, 768, 32, DType::F16),
                         attention(256, 256, 64, DType::F16), attention(128, 128, 64, DType::F16),
                         attention(256, 256, 64, DType::F32), attention(37, 256, 64, DType::F16)}) {
    measure(*jit, peak, is);
  }

  fmt::print("\ntime over that of ordinary data, at most 1.20\n{:<39}", "");
  for (size_t i = 1; i < data_kinds().size(); ++i) fmt::print(" {:>17}", data_kinds()[i].name);
  fmt::print("\n");
  for (const DType dtype : {DType::F32, DType::F16}) {
    for (const Case& is : {matmul(256, 768, 768, dtype), attention(256, 256, 64, dtype),
                           softmax(256, 256, dtype), layer_norm(256, 768, dtype)})
      measure_data(*jit, is);
  }
}
