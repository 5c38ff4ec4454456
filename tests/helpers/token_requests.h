// SPDX-License-Identifier: Apache-2.0
// Requests of ids alone, and a runner that waits for them.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "serving/pack_runner.h"

namespace tessera {

inline Request request_of(std::vector<int32_t> ids) { return {{{"input_ids", std::move(ids)}}}; }

// Waits for others for ever, so that only what a test does closes a batch.
inline PackRunnerConfig patient() {
  PackRunnerConfig config;
  config.former.timeout = std::chrono::hours(1);
  return config;
}

}  // namespace tessera
