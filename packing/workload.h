// SPDX-License-Identifier: Apache-2.0
// The synthetic requests of the packing benchmarks: lengths clip(int(normal(avg, avg)), 1, max),
// all drawn first, then the token ids of one request after the other, uniform below the vocabulary.
// Numbers are those of NumPy's legacy generator (np.random.seed, normal, randint), so that figures
// here and figures of a Python script with the same seed are over the same requests.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "support/expected.h"

namespace tessera {

// np.random after seed(seed).
class NumpyRandom {
 public:
  explicit NumpyRandom(uint32_t seed) : generator_(seed) {}
  double normal(double mean, double deviation);
  // randint(0, limit): uniform in 0 .. limit - 1. limit must be >= 1.
  uint32_t below(uint32_t limit);

 private:
  double uniform();  // random_sample(): [0, 1) in 53 bits

  std::mt19937 generator_;
  double spare_ = 0;  // the second of a pair of normals
  bool has_spare_ = false;
};

struct WorkloadOptions {
  uint32_t seed = 2023;
  int64_t count = 1600;
  double average = 128;  // also the deviation
  int64_t longest = 256;
  int32_t vocabulary = 30522;
};

struct SyntheticRequest {
  std::vector<int32_t> ids;    // their number is the request's length
  std::vector<int32_t> types;  // as many
};
using Workload = std::vector<SyntheticRequest>;

// Errors: an option out of range; more than 2^28 tokens.
Expected<Workload> synthetic_workload(const WorkloadOptions& options);
// Ids and types for lengths that are known, each >= 1, by a generator of this seed.
Expected<Workload> workload_of(std::span<const int64_t> lengths, int32_t vocabulary, uint32_t seed);
// The lengths alone.
Expected<std::vector<int64_t>> synthetic_lengths(const WorkloadOptions& options);

}  // namespace tessera
