// SPDX-License-Identifier: Apache-2.0
#include "serving/arrivals.h"

#include <cmath>

namespace tessera {

// By inversion, with 53 bits in (0, 1]: std::exponential_distribution is another in each library.
Time PoissonClock::next() {
  const double uniform = static_cast<double>((random_() >> 11) + 1) * 0x1p-53;
  seconds_ += -std::log(uniform) / rate_;
  return Time(std::llround(seconds_ * 1e9));
}

}  // namespace tessera
