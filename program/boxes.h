// SPDX-License-Identifier: Apache-2.0
// The boxes of a Program: which elements a block holds or a vertex reads and writes, on which tile,
// and the regions and mappings that say so. All functions are pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "program/per_dim.h"
#include "program/program.h"
#include "support/type.h"

namespace tessera {

// A box has one for each dimension of its view: the elements from `begin` up to `end`.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};
using Box = PerDim<Range>;
using Position = PerDim<int64_t>;  // in a grid, one number per axis

// The slice of the first dimension that the region is at every grid position; -1: it is not a
// slice.
int64_t slice_of(const Region& region);
int64_t vertex_count(const VertexGrid& grid);
// Position of vertex k in the grid, row-major.
Position grid_position(const VertexGrid& grid, int64_t k);
Box box_at(const Region& region, const Position& position);
int64_t block_count(const Mapping& mapping);
Box block_at(const Mapping& mapping, int64_t k);
int64_t elements(const Box& box);
bool contains(const Box& outer, const Box& inner);
// The tile of a block or vertex, and which of them is on a tile, if one is.
int64_t tile_of(const Mapping& mapping, int64_t block);
int64_t tile_of(const VertexGrid& grid, int64_t vertex);
std::optional<int64_t> block_on(const Mapping& mapping, int64_t tile);
std::optional<int64_t> vertex_on(const VertexGrid& grid, int64_t tile);
// From the first tile of a block or vertex to the last.
Range tiles_of(const Mapping& mapping);
Range tiles_of(const VertexGrid& grid);
// The IPUs whose tiles the grid's vertices run on.
Range ipus_of(const VertexGrid& grid, const Target& target);
// Bytes of the mapping's block on `tile`, 0 where there is none.
int64_t bytes_on_tile(const Variable& variable, TileId tile);

// Vertices whose boxes have the same sizes, operand by operand, are alike: one check and one cost
// does for all of them. Clipping at the edges makes the difference, so the classes are few.
struct VertexClasses {
  std::vector<int32_t> of_vertex;       // by vertex: its class
  std::vector<int64_t> representative;  // by class: its first vertex
  bool operator==(const VertexClasses&) const = default;
};
VertexClasses alike_vertices(const ComputeSet& set);
// Vertices that share their box of a region, because they differ only on axes on which it does not
// move. Boxes of different classes differ.
VertexClasses shared_boxes(const Region& region, const VertexGrid& grid);

// All of a variable, wherever the vertex is.
Region whole(VariableId id, const Shape& view);
// Dimension i in blocks of block[i], the block that grid axis axes[i] says; -1: always the first,
// which is all of it where block[i] is the view's extent.
Region blocked(VariableId id, const Shape& view, const std::vector<int64_t>& block,
               const std::vector<int32_t>& axes);

}  // namespace tessera
