// SPDX-License-Identifier: Apache-2.0
// A Program's memory and cycles as pictures for a terminal, `columns` wide but for legends. Without
// colour they are ASCII but for names, and say the same. Names in them have passed the filter of
// support/plain_text.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "cost/profile.h"

namespace tessera::tools {

struct PictureStyle {
  int64_t columns = 80;  // at least 40
  bool colour = false;
};

// A digit for each tile, tenths of `most`; with many tiles a digit for the fullest of several.
std::string draw_tiles(std::span<const int64_t> values, int64_t most, const PictureStyle& style);
// The bytes on each tile at its peak.
std::string draw_tile_bytes(const Profiled& profiled, const PictureStyle& style);
// The cycles of each tile in a superstep.
std::string draw_tile_cycles(const Profiled& profiled, size_t superstep, const PictureStyle& style);
// A bar for each superstep, of its sync, rearrangement, exchange and compute; where there are many,
// for those with most cycles.
std::string draw_supersteps(const Profiled& profiled, const PictureStyle& style);
// The fullest tile over the supersteps, stacked by what its bytes are for.
std::string draw_memory(const Profiled& profiled, const PictureStyle& style);

}  // namespace tessera::tools
