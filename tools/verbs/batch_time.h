// SPDX-License-Identifier: Apache-2.0
// The modelled time of a batch in words.
#pragma once

#include <string>

#include "program/popef.h"

namespace tessera::tools {

// "6.81 ms a batch: 9,917,437 cycles (6.61 ms) and 200.0 us of host I/O", which nothing overlaps.
std::string human_batch_time(const CycleSummary& cycles, const Target& target);

}  // namespace tessera::tools
