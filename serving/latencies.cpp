// SPDX-License-Identifier: Apache-2.0
#include "serving/latencies.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace tessera {

Latencies::Latencies(std::vector<double> seconds) : sorted_(std::move(seconds)) {
  std::sort(sorted_.begin(), sorted_.end());
}

double Latencies::mean() const {
  if (sorted_.empty()) return 0;
  return std::accumulate(sorted_.begin(), sorted_.end(), 0.0) / static_cast<double>(sorted_.size());
}

double Latencies::at(double share) const {
  if (sorted_.empty()) return 0;
  const double place = std::ceil(share * static_cast<double>(sorted_.size())) - 1;
  return sorted_[static_cast<size_t>(std::max(place, 0.0))];
}

}  // namespace tessera
