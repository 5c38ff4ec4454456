// SPDX-License-Identifier: Apache-2.0
#include "report/pools.h"

#include <algorithm>

namespace tessera {
namespace {

nlohmann::ordered_json in_runs(const std::vector<int64_t>& values) {
  nlohmann::ordered_json runs = nlohmann::ordered_json::array();
  for (size_t begin = 0; begin < values.size();) {
    size_t end = begin;
    while (end < values.size() && values[end] == values[begin]) ++end;
    if (end - begin > 1)
      runs.push_back({values[begin], end - begin});
    else
      runs.push_back(values[begin]);
    begin = end;
  }
  return runs;
}

}  // namespace

int64_t Pools::add(const std::vector<int64_t>& values) {
  const auto [at, is_new] = known_.try_emplace(values, static_cast<int64_t>(json_.size()));
  if (is_new) json_.push_back(in_runs(values));
  return at->second;
}

}  // namespace tessera
