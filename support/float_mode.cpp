// SPDX-License-Identifier: Apache-2.0
#include "support/float_mode.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace tessera {
namespace {

#if defined(__x86_64__)
// MXCSR: all exceptions masked, to nearest even, subnormal results (bit 15) and operands (bit 6)
// are zero. Intel's Software Developer's Manual, volume 1, 10.2.3.
constexpr uint32_t kKernels = 0x1f80 | 1U << 15 | 1U << 6;
uint64_t mode() { return _mm_getcsr(); }
void set_mode(uint64_t mode) { _mm_setcsr(static_cast<uint32_t>(mode)); }
#elif defined(__aarch64__)
// FPCR: to nearest even, FZ (bit 24) for both. Arm's Architecture Reference Manual, C5.2.8.
constexpr uint64_t kKernels = 1U << 24;
uint64_t mode() {
  uint64_t mode;
  asm volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
void set_mode(uint64_t mode) { asm volatile("msr fpcr, %0" : : "r"(mode)); }
#else
#error "the host's float mode: say how its subnormals become zero"
#endif

constexpr uint32_t kExponent = 0x7f800000, kSign = 0x80000000;

bool is_subnormal(uint32_t bits) { return (bits & kExponent) == 0 && (bits & ~kSign) != 0; }

uint32_t load_bits(const std::byte* from) {
  uint32_t bits;
  std::memcpy(&bits, from, sizeof bits);
  return bits;
}

}  // namespace

KernelFloatMode::KernelFloatMode() : callers_(mode()) { set_mode(kKernels); }
KernelFloatMode::~KernelFloatMode() { set_mode(callers_); }

// A result is subnormal if it is so with 24 bits and an exponent of any size.
float to_normal(double value) {
  constexpr double kLeast = 0x1p-126 - 0x1p-151;  // what these bits round to 2^-126
  if (std::abs(value) < kLeast) return std::copysign(0.0F, static_cast<float>(value));
  return static_cast<float>(value);
}

bool has_subnormals(std::span<const std::byte> floats) {
  bool has = false;
  for (size_t at = 0; at + sizeof(float) <= floats.size(); at += sizeof(float))
    has |= is_subnormal(load_bits(floats.data() + at));
  return has;
}

std::shared_ptr<std::byte[]> without_subnormals(std::span<const std::byte> floats) {
  auto copy = std::make_shared<std::byte[]>(floats.size());
  std::ranges::copy(floats, copy.get());
  for (size_t at = 0; at + sizeof(float) <= floats.size(); at += sizeof(float)) {
    uint32_t bits = load_bits(copy.get() + at);
    if (is_subnormal(bits)) bits &= kSign;
    std::memcpy(copy.get() + at, &bits, sizeof bits);
  }
  return copy;
}

}  // namespace tessera
