// SPDX-License-Identifier: Apache-2.0
#include "program/boxes.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "support/check.h"
#include "support/math.h"

namespace tessera {
namespace {

Range range_at(const RegionDim& dim, int64_t extent, const Position& position) {
  const int64_t at = dim.axis < 0 ? 0 : position[static_cast<size_t>(dim.axis)];
  const int64_t begin = dim.offset + at * dim.step;
  const auto clip = [extent](int64_t x) { return std::clamp<int64_t>(x, 0, extent); };
  return {clip(begin), clip(begin + dim.size)};
}

bool is_clipped(const RegionDim& dim, int64_t extent, int64_t positions) {
  return dim.offset + (positions - 1) * dim.step + dim.size > extent;
}

// By position on one grid axis, which of the distinct tuples of sizes the boxes have there: split
// by one dimension after the other, so that no tuple is ever held.
std::vector<int32_t> classes_on_axis(const ComputeSet& set, size_t axis) {
  const int64_t positions = set.grid.extent[axis];
  std::vector<int32_t> classes(static_cast<size_t>(positions), 0);
  const auto split = [&](const RegionDim& dim, int64_t extent) {
    std::map<std::pair<int32_t, int64_t>, int32_t> known;
    Position position(set.grid.extent.size());
    for (int64_t& at = position[axis]; at < positions; ++at) {
      int32_t& which = classes[static_cast<size_t>(at)];
      const std::pair key{which, range_at(dim, extent, position).size()};
      which = known.try_emplace(key, static_cast<int32_t>(known.size())).first->second;
    }
  };
  for (const Operand& operand : set.operands) {
    for (size_t d = 0; d < operand.region.dims.size(); ++d) {
      const RegionDim& dim = operand.region.dims[d];
      const int64_t extent = operand.region.view[d];
      if (dim.axis == static_cast<int32_t>(axis) && is_clipped(dim, extent, positions))
        split(dim, extent);
    }
  }
  return classes;
}

// Vertices of the same class on every axis are one class, numbered in order of appearance.
VertexClasses combine(const VertexGrid& grid, const std::vector<std::vector<int32_t>>& by_axis) {
  VertexClasses classes;
  classes.of_vertex.resize(static_cast<size_t>(vertex_count(grid)));
  std::vector<int32_t> dense(classes.of_vertex.size(), -1);  // by mixed-radix number
  for (size_t k = 0; k < classes.of_vertex.size(); ++k) {
    const Position position = grid_position(grid, static_cast<int64_t>(k));
    size_t number = 0;
    for (size_t axis = 0; axis < by_axis.size(); ++axis)
      number = number * by_axis[axis].size() +
               static_cast<size_t>(by_axis[axis][static_cast<size_t>(position[axis])]);
    if (dense[number] < 0) {
      dense[number] = static_cast<int32_t>(classes.representative.size());
      classes.representative.push_back(static_cast<int64_t>(k));
    }
    classes.of_vertex[k] = dense[number];
  }
  return classes;
}

}  // namespace

int64_t slice_of(const Region& region) {
  if (region.dims.empty() || region.view[0] < 2) return -1;
  const RegionDim& dim = region.dims[0];
  return dim.axis < 0 && dim.size == 1 ? dim.offset : -1;
}

int64_t vertex_count(const VertexGrid& grid) { return elements(grid.extent); }

Position grid_position(const VertexGrid& grid, int64_t k) {
  Position position(grid.extent.size());
  for (size_t i = grid.extent.size(); i-- > 0; k /= grid.extent[i])
    position[i] = k % grid.extent[i];
  return position;
}

Box box_at(const Region& region, const Position& position) {
  Box box;
  for (size_t d = 0; d < region.dims.size(); ++d)
    box.push_back(range_at(region.dims[d], region.view[d], position));
  return box;
}

int64_t block_count(const Mapping& mapping) {
  int64_t count = 1;
  for (size_t d = 0; d < mapping.view.size(); ++d)
    count *= ceil_div(mapping.view[d], mapping.block[d]);
  return count;
}

Box block_at(const Mapping& mapping, int64_t k) {
  Box box(mapping.view.size());
  for (size_t d = mapping.view.size(); d-- > 0;) {
    const int64_t blocks = ceil_div(mapping.view[d], mapping.block[d]);
    const int64_t begin = k % blocks * mapping.block[d];
    box[d] = {begin, std::min(begin + mapping.block[d], mapping.view[d])};
    k /= blocks;
  }
  return box;
}

int64_t elements(const Box& box) {
  int64_t count = 1;
  for (const Range& range : box) count *= range.size();
  return count;
}

bool contains(const Box& outer, const Box& inner) {
  CHECK(outer.size() == inner.size());
  for (size_t d = 0; d < outer.size(); ++d)
    if (inner[d].begin < outer[d].begin || inner[d].end > outer[d].end) return false;
  return true;
}

Range ipus_of(const VertexGrid& grid, const Target& target) {
  const Range tiles = tiles_of(grid);
  return {target.ipu_of(tiles.begin), target.ipu_of(tiles.end - 1) + 1};
}

int64_t bytes_on_tile(const Variable& variable, TileId tile) {
  const std::optional<int64_t> k = block_on(variable.mapping, tile.value);
  return k ? elements(block_at(variable.mapping, *k)) * size_of(variable.dtype) : 0;
}

VertexClasses alike_vertices(const ComputeSet& set) {
  std::vector<std::vector<int32_t>> by_axis;
  for (size_t axis = 0; axis < set.grid.extent.size(); ++axis)
    by_axis.push_back(classes_on_axis(set, axis));
  return combine(set.grid, by_axis);
}

VertexClasses shared_boxes(const Region& region, const VertexGrid& grid) {
  std::vector<std::vector<int32_t>> by_axis;
  for (int64_t extent : grid.extent) by_axis.emplace_back(static_cast<size_t>(extent), 0);
  for (const RegionDim& dim : region.dims)
    if (dim.axis >= 0 && dim.step != 0)
      std::iota(by_axis[static_cast<size_t>(dim.axis)].begin(),
                by_axis[static_cast<size_t>(dim.axis)].end(), 0);
  return combine(grid, by_axis);
}

Region whole(VariableId id, const Shape& view) {
  Region region{id, view, {}};
  for (int64_t extent : view) region.dims.push_back({-1, 0, 0, extent});
  return region;
}

Region blocked(VariableId id, const Shape& view, const std::vector<int64_t>& block,
               const std::vector<int32_t>& axes) {
  CHECK(block.size() == view.size() && axes.size() == view.size());
  Region region{id, view, {}};
  for (size_t d = 0; d < view.size(); ++d)
    region.dims.push_back({axes[d], 0, axes[d] < 0 ? 0 : block[d], block[d]});
  return region;
}

}  // namespace tessera
