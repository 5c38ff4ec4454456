// SPDX-License-Identifier: Apache-2.0
// Numbers by tile, each list once: the layers of a model have the same ones. A list is JSON in
// which [value, count] stands for `count` times the value.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

namespace tessera {

class Pools {
 public:
  // The place of this list among all.
  int64_t add(const std::vector<int64_t>& values);
  const nlohmann::ordered_json& json() const { return json_; }

 private:
  std::map<std::vector<int64_t>, int64_t> known_;
  nlohmann::ordered_json json_ = nlohmann::ordered_json::array();
};

}  // namespace tessera
