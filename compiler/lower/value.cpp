// SPDX-License-Identifier: Apache-2.0
#include "compiler/lower/value.h"

#include "compiler/plan/grid.h"
#include "support/check.h"

namespace tessera {

bool Value::whole() const {
  for (size_t i = 0; i < view.size(); ++i) {
    if (box[i].size() != view[i]) return false;
  }
  return true;
}

Shape Value::shape() const {
  Shape sizes;
  for (const Range& range : box) sizes.push_back(range.size());
  return sizes;
}

Value all_of(VariableId variable, const Shape& shape) {
  Value value{variable, shape, {}};
  for (int64_t size : shape) value.box.push_back({0, size});
  return value;
}

namespace {

// Consecutive dimensions, old and new, of the same number of elements: [i, i_end) is [j, j_end).
struct Group {
  size_t i, i_end, j, j_end;
};

std::vector<Group> group_dims(const Shape& before, const Shape& after) {
  std::vector<Group> groups;
  size_t i = 0, j = 0;
  while (i < before.size() || j < after.size()) {
    Group group{i, i, j, j};
    int64_t left = 1, right = 1;
    while (i < before.size() && left == 1) left *= before[i++];
    while (j < after.size() && right == 1) right *= after[j++];
    while (left != right) {
      if (left < right) {
        left *= before[i++];
      } else {
        right *= after[j++];
      }
    }
    group.i_end = i;
    group.j_end = j;
    groups.push_back(group);
  }
  return groups;
}

// The part of a group that the box covers, as elements of the group: nothing unless it is one run.
std::optional<Range> run_of(const Value& value, const Group& group) {
  Range run{0, 1};
  int64_t extent = 1;
  for (size_t i = group.i; i < group.i_end; ++i) {
    const Range& range = value.box[i];
    if (extent == 1) {
      run = range;
    } else if (range.size() == value.view[i]) {
      run = {run.begin * range.end, run.end * range.end};
    } else {
      return std::nullopt;
    }
    extent *= value.view[i];
  }
  return run;
}

}  // namespace

std::optional<Value> reshape(const Value& value, const Shape& shape) {
  if (value.whole()) return all_of(value.variable, shape);
  Value result{value.variable, {}, {}};
  for (const Group& group : group_dims(value.shape(), shape)) {
    int64_t extent = 1;
    for (size_t i = group.i; i < group.i_end; ++i) extent *= value.view[i];
    const std::optional<Range> run = run_of(value, group);
    if (!run) return std::nullopt;
    // The outermost dimension that is not 1 is the one that has a beginning and a larger extent.
    size_t outer = group.j;
    while (outer + 1 < group.j_end && shape[outer] == 1) ++outer;
    if (outer >= group.j_end && extent != 1) return std::nullopt;
    int64_t inner = 1;
    for (size_t j = outer + 1; j < group.j_end; ++j) inner *= shape[j];
    if (extent % inner != 0 || run->begin % inner != 0) return std::nullopt;
    for (size_t j = group.j; j < group.j_end; ++j) {
      const int64_t begin = j == outer ? run->begin / inner : 0;
      result.view.push_back(j == outer ? extent / inner : shape[j]);
      result.box.push_back({begin, begin + shape[j]});
    }
  }
  return result;
}

RegionDim whole_dim() { return {}; }

RegionDim only_dim(int64_t at) { return {-1, at, 0, 1}; }

RegionDim along(int32_t axis, int64_t block) { return {axis, 0, block, block}; }

std::optional<Region> region_of(const Value& value, const std::vector<RegionDim>& dims) {
  CHECK(dims.size() == value.view.size());
  Region region{value.variable, value.view, dims};
  for (size_t i = 0; i < dims.size(); ++i) {
    const Range& range = value.box[i];
    RegionDim& dim = region.dims[i];
    if (dim.axis < 0 && dim.size == 0) dim.size = range.size();
    const bool clipped = range.end == value.view[i] || dim.axis < 0;
    if (!clipped && range.size() % dim.step != 0) return std::nullopt;
    dim.offset += range.begin;
  }
  return region;
}

bool is_local(const Mapping& mapping, const Region& region, const VertexGrid& grid) {
  if (mapping.first != grid.first || mapping.deal.each != grid.deal.each) return false;
  // Dimensions of one element say nothing; the others must be the same.
  const auto next = [](const Shape& view, size_t i) {
    while (i < view.size() && view[i] == 1) ++i;
    return i;
  };
  size_t axis = 0;  // grid axes before it are spoken for
  size_t m = next(mapping.view, 0), r = next(region.view, 0);
  for (; m < mapping.view.size() && r < region.view.size();
       m = next(mapping.view, m + 1), r = next(region.view, r + 1)) {
    if (mapping.view[m] != region.view[r]) return false;
    const int64_t count = ceil_div(mapping.view[m], mapping.block[m]);
    if (count == 1) continue;
    const RegionDim& dim = region.dims[r];
    const auto own = static_cast<size_t>(dim.axis);
    if (mapping.deal.axis == static_cast<int32_t>(m) && dim.axis != grid.deal.axis) return false;
    if (dim.axis < 0 || own < axis || dim.offset != 0) return false;
    if (dim.step != mapping.block[m] || dim.size > mapping.block[m]) return false;
    if (grid.extent[own] != count) return false;
    for (; axis < own; ++axis) {
      if (grid.extent[axis] != 1) return false;
    }
    axis = own + 1;
  }
  if (m < mapping.view.size() || r < region.view.size()) return false;
  for (; axis < grid.extent.size(); ++axis) {
    if (grid.extent[axis] != 1) return false;
  }
  return true;
}

}  // namespace tessera
