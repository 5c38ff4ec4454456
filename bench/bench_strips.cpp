// SPDX-License-Identifier: Apache-2.0
// The table that largest_strip() is chosen by: what share of the host's fused products a product
// reaches with strips of each shape, operands in the second-level cache. For this host's registers
// and, with the JIT told so, for those of others.
#include <cstring>

#include "bench/peak.h"
#include "executor/host_memory.h"
#include "support/file.h"

namespace tessera {
namespace {

constexpr int64_t kRows = 9 * 8 * 7, kTerms = 256, kPanels = 12;

struct Shape2 {
  int64_t rows, panels;
};
constexpr Shape2 kShapes[] = {
    {14, 2},
    {12, 2},
    {9,  3},
    {8,  3},
    {6,  4},
    {4,  6},
    {7,  1},
    {6,  1},
    {4,  1},
    {3,  2},
    {2,  3},
    {2,  2},
    {3,  1},
    {2,  1},
    {1,  2}
};

VertexOperand operand(std::initializer_list<int64_t> size, HostBuffer& memory) {
  VertexOperand out{};
  out.data = memory.data();
  std::copy(size.begin(), size.end(), out.size);
  return out;
}

class Strips {
 public:
  explicit Strips(Jit& jit) {
    codelet_.name = "strips";
    codelet_.bitcode = file_->bytes();
    const Jit::Request request{&codelet_, ""};
    run_ = must(jit.compile({&request, 1}, 1)).front().run;
    for (HostBuffer* buffer : {&a_, &b_, &sums_}) {
      std::memset(buffer->data(), 0, static_cast<size_t>(buffer->size()));
    }
  }

  // The best of some repetitions; 0 where these registers do not hold the shape.
  double gflops(Shape2 shape) {
    const VertexOperand operands[] = {operand({kRows, kTerms}, a_), operand({kPanels}, b_),
                                      operand({}, sums_)};
    // Whole strips alone are done.
    const int64_t rows = kRows / shape.rows * shape.rows;
    const int64_t panels = kPanels / shape.panels * shape.panels;
    const double flops = 2e-9 * static_cast<double>(rows * kTerms * panels * 16);
    double best = 0;
    for (int repetition = 0; repetition < 40; ++repetition) {
      const auto begin = std::chrono::steady_clock::now();
      run_(operands, &shape);
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
      best = std::max(best, flops / seconds.count());
    }
    return best;
  }

 private:
  std::shared_ptr<const MappedFile> file_ = must(MappedFile::open(TESSERA_STRIPS_BITCODE));
  Codelet codelet_{};
  void (*run_)(const VertexOperand*, void*) = nullptr;
  HostBuffer a_ = must(HostBuffer::allocate(kRows * kTerms * 4));
  HostBuffer b_ = must(HostBuffer::allocate(kPanels * kTerms * 64));
  HostBuffer sums_ = must(HostBuffer::allocate(kRows * kPanels * 64));
};

void measure(const std::string& cpu) {
  Expected<std::unique_ptr<Jit>> created = Jit::create({.cpu = cpu});
  fmt::print("{}\n", cpu.empty() ? "this host" : cpu);
  if (!created.ok()) return fmt::print("  not run: {}\n", created.error().message);
  const std::unique_ptr<Jit> jit = created.take();
  const Peak peak(*jit);
  Strips strips(*jit);
  for (const Shape2 shape : kShapes) {
    const double limit = peak.gflops(1);
    const double reached = strips.gflops(shape);
    if (reached > 3 * limit) continue;  // nothing was computed: not a shape of these registers
    fmt::print("  {:>2} rows by {} panels {:>6.1f} GFLOP/s {:>5.1f} %\n", shape.rows, shape.panels,
               reached, 100 * reached / limit);
  }
}

}  // namespace
}  // namespace tessera

int main() {
  for (const char* cpu : {"", "x86-64-v4", "x86-64-v3", "x86-64-v2"}) tessera::measure(cpu);
}
