// SPDX-License-Identifier: Apache-2.0
// A target without limits of memory, for comparing values.
#pragma once

#include "program/target.h"

namespace tessera {

// For runs whose modelled memory is not the question: few tiles, which compile quickly, and memory
// for any model.
inline Target roomy_target() {
  Target target;
  target.name = "roomy";
  target.tiles = 64;
  target.bytes_per_tile = int64_t{1} << 31;
  return target;
}

}  // namespace tessera
