// SPDX-License-Identifier: Apache-2.0
// The one place that knows LLVM: codelet bitcode in, functions of this process out, specialised by
// constants and compiled for this host's CPU. LLVM's errors become ours here.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "codelets/abi.h"
#include "codelets/codelet.h"
#include "support/expected.h"
#include "support/limits.h"

namespace tessera {

struct Kernel {
  void (*run)(const VertexOperand* operands, void* scratch) = nullptr;
};

struct JitOptions {
  std::string cpu = {};           // LLVM's name, "x86-64-v3" …; "": this host's
  std::string cache_folder = {};  // of what was compiled before (executor/object_cache.h); "": none
};

// Where kernels came from, since the Jit was created.
struct JitCounts {
  int64_t compiled = 0;
  int64_t loaded = 0;  // from the cache
};

// LLVM's work on a vertex's kernel grows with these: its operands, and the values that it is
// specialised by, each of which may be an operation.
int64_t kernel_steps(const VertexShape& vertex);

// Owns the compiled code: kernels live as long as it does. compile() is not thread-safe; kernels
// are.
class Jit {
 public:
  static Expected<std::unique_ptr<Jit>> create(const JitOptions& options = {});
  ~Jit();
  struct Request {
    const Codelet* codelet;
    std::string constants;
    int64_t steps = 1;  // about how much there is to compile (kernel_steps)
  };
  // One kernel per request, in order; equal requests are compiled once. `threads` compile at once.
  // Refused: the different ones are more, or take longer, than the limits allow, whether they are
  // found in a cache or not.
  Expected<std::vector<Kernel>> compile(std::span<const Request> requests, int threads,
                                        const Limits& limits = {},
                                        const Deadline& deadline = Deadline({}));
  JitCounts counts() const;
  // Why the cache folder is not used: the JIT works without it. "" where it is, or none was asked.
  const std::string& cache_problem() const;

 private:
  Jit();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tessera
