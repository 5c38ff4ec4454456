// SPDX-License-Identifier: Apache-2.0
#include "tools/verbs/batch_time.h"

#include <fmt/format.h>

#include <algorithm>

#include "support/human.h"

namespace tessera::tools {

std::string human_batch_time(const CycleSummary& cycles, const Target& target) {
  const double on_tiles = static_cast<double>(cycles.total) / target.clock_hz;
  return fmt::format("{} a batch: {} cycles ({}) and {} of host I/O",
                     human_seconds(cycles.seconds_per_batch),
                     human_count(static_cast<int64_t>(cycles.total)), human_seconds(on_tiles),
                     human_seconds(std::max(0.0, cycles.seconds_per_batch - on_tiles)));
}

}  // namespace tessera::tools
