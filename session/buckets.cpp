// SPDX-License-Identifier: Apache-2.0
#include "session/buckets.h"

#include <algorithm>
#include <limits>

namespace tessera {
namespace {

constexpr size_t kMostLengths = 2048;

struct Length {
  int64_t length = 0;
  double batches_up_to = 0;  // of this length and all shorter ones
};

std::vector<Length> cumulated(const BatchesByLength& batches) {
  const size_t group = (batches.size() + kMostLengths - 1) / kMostLengths;
  std::vector<Length> lengths;
  double sum = 0;
  size_t at = 0;
  for (const auto& [length, count] : batches) {
    sum += static_cast<double>(count);
    const bool starts = at++ % std::max<size_t>(group, 1) == 0;
    if (starts) lengths.emplace_back();
    lengths.back() = {length, sum};  // a group is padded to its longest
  }
  return lengths;
}

}  // namespace

std::vector<int64_t> fit_buckets(const BatchesByLength& batches, int64_t most) {
  const std::vector<Length> lengths = cumulated(batches);
  const size_t n = lengths.size();
  const auto k = static_cast<size_t>(std::clamp<int64_t>(most, 0, static_cast<int64_t>(n)));
  if (n == 0 || k == 0) return {};
  // least[j][i]: the sum for the first i lengths in j buckets; from[j][i]: the first length of the
  // last of these buckets.
  constexpr double kNever = std::numeric_limits<double>::infinity();
  std::vector<std::vector<double>> least(k + 1, std::vector<double>(n + 1, kNever));
  std::vector<std::vector<size_t>> from(k + 1, std::vector<size_t>(n + 1, 0));
  least[0][0] = 0;
  const auto up_to = [&](size_t i) { return i == 0 ? 0.0 : lengths[i - 1].batches_up_to; };
  for (size_t j = 1; j <= k; ++j)
    for (size_t i = 1; i <= n; ++i)
      for (size_t first = j - 1; first < i; ++first) {
        if (least[j - 1][first] == kNever) continue;
        const double padded =
            (up_to(i) - up_to(first)) * static_cast<double>(lengths[i - 1].length);
        const double sum = least[j - 1][first] + padded;
        if (sum >= least[j][i]) continue;
        least[j][i] = sum;
        from[j][i] = first;
      }
  std::vector<int64_t> buckets;
  for (size_t i = n, j = k; j > 0; --j) {
    buckets.push_back(lengths[i - 1].length);
    i = from[j][i];
  }
  std::ranges::reverse(buckets);
  return buckets;
}

double padded_tokens(const BatchesByLength& batches, const std::vector<int64_t>& buckets) {
  double tokens = 0;
  for (const auto& [length, count] : batches)
    tokens += static_cast<double>(count) *
              static_cast<double>(*std::ranges::lower_bound(buckets, length));
  return tokens;
}

}  // namespace tessera
