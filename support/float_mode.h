// SPDX-License-Identifier: Apache-2.0
// Subnormal numbers of f32, those below 2^-126, are zero on this machine, with their sign
// (docs/decisions/0015-subnormals-of-f32-are-zero.md). Subnormals of f16 keep their values: in f32,
// in which kernels compute, they are normal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace tessera {

// While it lives, float arithmetic of the calling thread rounds to nearest even and takes and gives
// subnormals as zero. Then the thread's own mode is back. Not to be moved to another thread.
class KernelFloatMode {
 public:
  KernelFloatMode();
  ~KernelFloatMode();
  KernelFloatMode(const KernelFloatMode&) = delete;
  KernelFloatMode& operator=(const KernelFloatMode&) = delete;

 private:
  uint64_t callers_;
};

// The nearest f32 without subnormals, as a processor in that mode rounds.
float to_normal(double value);
bool has_subnormals(std::span<const std::byte> floats);  // f32, not necessarily aligned
// A copy with zeros in their place.
std::shared_ptr<std::byte[]> without_subnormals(std::span<const std::byte> floats);

}  // namespace tessera
