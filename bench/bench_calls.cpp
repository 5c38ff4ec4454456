// SPDX-License-Identifier: Apache-2.0
// bench_calls MODEL.popef [CALLS]: what a call of ModelRunner::run costs in C++, from one thread
// and from eight, as JSON. bench/calls.py asks the same of the Python package and compares.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "executor/model_runner.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

// One thread's own buffers: ones in, whatever out.
struct Buffers {
  std::vector<std::vector<std::byte>> bytes;
  InputViews inputs;
  OutputViews outputs;

  explicit Buffers(const Metadata& metadata) {
    for (const Anchor& anchor : metadata.anchors) {
      const auto size = static_cast<size_t>(elements(anchor.shape) * size_of(anchor.dtype));
      std::vector<std::byte>& buffer = bytes.emplace_back(size);
      if (anchor.dtype == DType::I32)
        for (size_t at = 0; at < size; at += 4) buffer[at] = std::byte{1};
      if (anchor.kind == AnchorKind::Input)
        inputs.emplace(anchor.name, InputView{anchor.dtype, false, anchor.shape, buffer});
      else
        outputs.emplace(anchor.name, OutputView{anchor.dtype, anchor.shape, buffer});
    }
  }
};

// Seconds a call takes when `threads` threads call at once: the median of five rounds.
double seconds_per_call(ModelRunner& runner, int threads, int calls) {
  const int calls_of_each = calls / threads;
  std::vector<double> rounds;
  for (int round = 0; round < 5; ++round) {
    std::vector<std::thread> callers;
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < threads; ++i)
      callers.emplace_back([&] {
        Buffers buffers(runner.executable().metadata);
        for (int call = 0; call < calls_of_each; ++call) {
          const Status status = runner.run(buffers.inputs, buffers.outputs);
          if (!status.ok()) {
            fmt::print(stderr, "bench_calls: {}\n", status.error().message);
            std::exit(1);
          }
        }
      });
    for (std::thread& caller : callers) caller.join();
    rounds.push_back(std::chrono::duration<double>(Clock::now() - start).count() /
                     (calls_of_each * threads));
  }
  std::sort(rounds.begin(), rounds.end());
  return rounds[rounds.size() / 2];
}

int run(const std::string& path, int calls) {
  MachineOptions options;
  options.threads = 1;
  auto runner = ModelRunner::load(path, options);
  if (!runner.ok()) {
    fmt::print(stderr, "bench_calls: {}\n", runner.error().message);
    return static_cast<int>(runner.error().kind);
  }
  seconds_per_call(**runner, 1, 50);
  const double one = seconds_per_call(**runner, 1, calls);
  const double eight = seconds_per_call(**runner, 8, calls);
  fmt::print("{{\"one_thread_us\": {:.2f}, \"eight_threads_us\": {:.2f}}}\n", one * 1e6,
             eight * 1e6);
  return 0;
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    fmt::print(stderr, "usage: bench_calls MODEL.popef [CALLS]\n");
    return 2;
  }
  return tessera::run(argv[1], argc > 2 ? std::max(8, std::atoi(argv[2])) : 2000);
}
