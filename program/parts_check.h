// SPDX-License-Identifier: Apache-2.0
// The parts of a Program by themselves, before they are looked at together: names, the target, how
// batches come, variables with their mappings, the tiles of a grid, dimensions of regions.
//
// Part of verify_program. Errors say what is and what must be, and name no place.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "program/program.h"
#include "support/expected.h"
#include "support/type.h"

namespace tessera {

Status check_name(std::string_view name);
Status check_target(const Target& target);
Status check_host(const HostIo& host);
Status check_view(const Variable& variable, const Shape& view);
// Tiles first .. first + count - 1 exist, where count is the product of `extents`, or those that
// the deal says.
Status check_tiles(TileId first, const Deal& deal, const std::vector<int64_t>& extents,
                   const Target& target);
Status check_variable(const Variable& variable, const Target& target);
Status check_dim(const RegionDim& dim, int64_t extent, const VertexGrid& grid);

}  // namespace tessera
