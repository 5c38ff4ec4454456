// SPDX-License-Identifier: Apache-2.0
// When requests come: a Poisson process, seeded.
#pragma once

#include <cstdint>
#include <random>

#include "serving/forming.h"

namespace tessera {

// Gaps between arrivals, exponential with mean 1 / rate. The same numbers for a seed everywhere up
// to the last bit of the host's log.
class PoissonClock {
 public:
  // rate in requests per second, > 0.
  PoissonClock(double rate, uint64_t seed) : rate_(rate), random_(seed) {}
  // The next arrival's time.
  Time next();

 private:
  double rate_;
  std::mt19937_64 random_;
  double seconds_ = 0;
};

}  // namespace tessera
