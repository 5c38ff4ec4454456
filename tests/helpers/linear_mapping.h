// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include "program/program.h"
#include "support/math.h"

namespace tessera::test {

// Spreads the elements over the tiles in runs of a multiple of `grain` elements, as evenly as that
// allows (Poplar's mapTensorLinearly).
inline Mapping linear_mapping(const Shape& shape, int64_t tiles, int64_t grain) {
  const int64_t count = elements(shape);
  const int64_t grains = ceil_div(count, grain);
  const int64_t grains_per_tile = std::max<int64_t>(1, ceil_div(grains, tiles));
  return {{count}, {grains_per_tile * grain}, TileId{0}};
}

}  // namespace tessera::test
