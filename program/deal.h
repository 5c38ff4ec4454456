// SPDX-License-Identifier: Apache-2.0
// Grids of blocks and vertices that are dealt out to several IPUs.
#pragma once

#include <cstdint>
#include <vector>

#include "program/program.h"
#include "support/expected.h"

namespace tessera {

// Whether the parts of such a grid lie each within the tiles of its IPU. The product of `extents`
// is at most the number of all tiles.
Status check_deal(TileId first, const Deal& deal, const std::vector<int64_t>& extents,
                  const Target& target);

}  // namespace tessera
