// SPDX-License-Identifier: Apache-2.0
// The host's time in seconds, for durations.
#pragma once

#include <chrono>

namespace tessera {

// A clock that only moves forward.
inline double now_seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

}  // namespace tessera
