// SPDX-License-Identifier: Apache-2.0
// How long batches or requests took, in shares of them.
#pragma once

#include <array>
#include <string_view>
#include <vector>

namespace tessera {

struct Quantile {
  std::string_view name;
  double share;
};
// The percentiles that every bench tells, in this order.
inline constexpr std::array<Quantile, 6> kQuantiles = {
    {{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}}
};

class Latencies {
 public:
  explicit Latencies(std::vector<double> seconds);
  bool empty() const { return sorted_.empty(); }
  double mean() const;  // 0 of none
  // The least value that so large a share of all is not above (the nearest rank); 0 of none.
  double at(double share) const;

 private:
  std::vector<double> sorted_;
};

}  // namespace tessera
