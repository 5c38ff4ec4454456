// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/make/random_weights.h"

#include <algorithm>
#include <span>
#include <vector>

namespace tessera {
namespace {

constexpr int64_t kBatch = 1 << 16;
// The sum of four whole numbers from 0 to 65535: its mean, and its standard deviation,
// sqrt(4 (65536^2 - 1) / 12).
constexpr double kSumMean = 2.0 * 65535;
constexpr double kSumDeviation = 37837.22684089;

// Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
uint64_t splitmix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// FNV-1a.
uint64_t hash_of(const std::string& name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

double near_normal(uint64_t bits) {
  const uint64_t sum =
      (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
  return (static_cast<double>(sum) - kSumMean) / kSumDeviation;
}

}  // namespace

Status write_random(const Sink& sink, const std::string& name, uint64_t seed, int64_t count,
                    const Distribution& distribution) {
  const uint64_t key = splitmix64(hash_of(name) ^ splitmix64(seed));
  std::vector<float> batch;
  for (int64_t first = 0; first < count; first += kBatch) {
    batch.resize(static_cast<size_t>(std::min(kBatch, count - first)));
    for (size_t i = 0; i < batch.size(); ++i) {
      const uint64_t bits = splitmix64(key + static_cast<uint64_t>(first) + i);
      batch[i] = static_cast<float>(distribution.mean + distribution.deviation * near_normal(bits));
    }
    TRY(sink(std::as_bytes(std::span(batch))));
  }
  return {};
}

}  // namespace tessera
