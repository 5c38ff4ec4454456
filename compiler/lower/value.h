// SPDX-License-Identifier: Apache-2.0
// Where a node's result lies: a box of a variable under some view. A reshape is another view of the
// same variable, and a slice another box of it, so that neither costs anything on the machine.
#pragma once

#include <optional>

#include "program/boxes.h"
#include "program/program.h"

namespace tessera {

struct Value {
  VariableId variable = -1;
  Shape view;  // same element count as the variable
  Box box;     // within view; its sizes are the shape of the node

  bool whole() const;
  Shape shape() const;
};

// The whole variable, as a tensor of `shape`.
Value all_of(VariableId variable, const Shape& shape);
// The same elements in another shape; nothing if no box of any view has it.
std::optional<Value> reshape(const Value& value, const Shape& shape);
// One dimension of a region, relative to a Value's box: whole, or a block per position on `axis`.
RegionDim whole_dim();
RegionDim only_dim(int64_t at);  // one element, wherever the vertex is
RegionDim along(int32_t axis, int64_t block);
// The region of a value that such dimensions describe. Nothing if the last block of one would
// reach past the box: regions are clipped to views, not to boxes.
std::optional<Region> region_of(const Value& value, const std::vector<RegionDim>& dims);
// Does each vertex's part of the region lie on its own tile?
bool is_local(const Mapping& mapping, const Region& region, const VertexGrid& grid);

}  // namespace tessera
