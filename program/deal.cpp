// SPDX-License-Identifier: Apache-2.0
#include "program/deal.h"

#include <fmt/format.h>

#include <optional>

#include "program/boxes.h"
#include "support/math.h"

namespace tessera {
namespace {

// A grid's extents and its deal, as numbers of tiles.
struct Dealt {
  int64_t outer = 1, own = 1, inner = 1;  // positions before the dealt axis, on it, and behind it
  const Deal& deal;

  Dealt(const PerDim<int64_t>& extent, const Deal& by) : deal(by) {
    const auto axis = static_cast<size_t>(deal.axis);
    for (size_t i = 0; i < extent.size(); ++i)
      (i < axis ? outer : (i == axis ? own : inner)) *= extent[i];
  }

  int64_t place(int64_t k) const {
    const int64_t at = k / inner % own;
    const int64_t row = k / (inner * own) * deal.each + at % deal.each;
    return at / deal.each * deal.stride + row * inner + k % inner;
  }

  std::optional<int64_t> at(int64_t place) const {
    const int64_t rest = place % deal.stride, row = rest / inner;
    const int64_t on_axis = place / deal.stride * deal.each + row % deal.each;
    if (place < 0 || rest >= outer * deal.each * inner || on_axis >= own) return std::nullopt;
    return (row / deal.each * own + on_axis) * inner + rest % inner;
  }

  int64_t places() const { return (own - 1) / deal.each * deal.stride + outer * deal.each * inner; }
};

PerDim<int64_t> extent_of(const Mapping& mapping) {
  PerDim<int64_t> extent;
  for (size_t d = 0; d < mapping.view.size(); ++d)
    extent.push_back(ceil_div(mapping.view[d], mapping.block[d]));
  return extent;
}
PerDim<int64_t> extent_of(const VertexGrid& grid) { return grid.extent; }

int64_t count_of(const Mapping& mapping) { return block_count(mapping); }
int64_t count_of(const VertexGrid& grid) { return vertex_count(grid); }

template <class Grid>
int64_t place_of(const Grid& grid, int64_t k) {
  return grid.first.value + (grid.deal.axis < 0 ? k : Dealt(extent_of(grid), grid.deal).place(k));
}

template <class Grid>
std::optional<int64_t> number_on(const Grid& grid, int64_t tile) {
  const int64_t place = tile - grid.first.value;
  if (grid.deal.axis >= 0) return Dealt(extent_of(grid), grid.deal).at(place);
  if (place < 0 || place >= count_of(grid)) return std::nullopt;
  return place;
}

template <class Grid>
Range places_of(const Grid& grid) {
  const int64_t first = grid.first.value;
  return {first, first + (grid.deal.axis < 0 ? count_of(grid)
                                             : Dealt(extent_of(grid), grid.deal).places())};
}

}  // namespace

int64_t tile_of(const Mapping& mapping, int64_t block) { return place_of(mapping, block); }
int64_t tile_of(const VertexGrid& grid, int64_t vertex) { return place_of(grid, vertex); }

std::optional<int64_t> block_on(const Mapping& mapping, int64_t tile) {
  return number_on(mapping, tile);
}
std::optional<int64_t> vertex_on(const VertexGrid& grid, int64_t tile) {
  return number_on(grid, tile);
}

Range tiles_of(const Mapping& mapping) { return places_of(mapping); }
Range tiles_of(const VertexGrid& grid) { return places_of(grid); }

Status check_deal(TileId first, const Deal& deal, const std::vector<int64_t>& extents,
                  const Target& target) {
  const auto is_axis = deal.axis >= 0 && deal.axis < static_cast<int32_t>(extents.size());
  if (!is_axis)
    return Error{
        fmt::format("axis {} is dealt out, must be one of {}", deal.axis, to_string(extents))};
  const int64_t own = extents[static_cast<size_t>(deal.axis)];
  if (deal.each < 1 || deal.each >= own)
    return Error{fmt::format("{} of {} are dealt out to an IPU, must be at least 1, and not all",
                             deal.each, own)};
  if (deal.stride != target.tiles)
    return Error{fmt::format("the tiles of the next IPU are {} further, must be {}", deal.stride,
                             target.tiles)};
  int64_t count = deal.each;
  for (size_t i = 0; i < extents.size(); ++i)
    if (static_cast<int32_t>(i) != deal.axis) count *= extents[i];
  const int64_t ipus = int64_t{first.value} / target.tiles + (own - 1) / deal.each + 1;
  if (int64_t{first.value} % target.tiles + count <= target.tiles && ipus <= target.ipus) return {};
  const int64_t start = int64_t{first.value} % target.tiles;
  return Error{fmt::format("uses tiles {}..{} of {} IPUs, which the target does not have", start,
                           start + count - 1, ipus)};
}

}  // namespace tessera
