// SPDX-License-Identifier: Apache-2.0
// Sums over what a log says. A log may say anything: no sum goes beyond 2^53, up to which a double
// is exact too.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tessera {

inline constexpr int64_t kMostOfLog = int64_t{1} << 53;

inline int64_t add_times(int64_t sum, int64_t count, int64_t each) {
  const double exact =
      static_cast<double>(sum) + static_cast<double>(count) * static_cast<double>(each);
  const auto most = static_cast<double>(kMostOfLog);
  return static_cast<int64_t>(std::clamp(exact, -most, most));
}

}  // namespace tessera
