// SPDX-License-Identifier: Apache-2.0
// Ops that move elements: transposes, strided slices, concatenations, and every copy that another
// lowering needs. All are the copy codelet with a dimension order and a step per dimension, over
// as few dimensions as say the same: dimensions that move together are one.
#include <algorithm>

#include "compiler/lower/state.h"
#include "compiler/plan/grid.h"
#include "program/verify.h"
#include "support/check.h"

namespace tessera {
namespace {

// Elements that stand together on both sides are moved whole where that costs no balance.
constexpr int64_t kCopyGrain = 8;

bool repeats(const CopyFrom& copy, size_t dim) {
  return copy.from.box[static_cast<size_t>(copy.perm[dim])].size() == 1;
}

bool is_full(const CopyFrom& copy, size_t dim) {
  const auto from = static_cast<size_t>(copy.perm[dim]);
  return copy.step[dim] == 1 && copy.from.box[from].size() == copy.from.view[from];
}

// May result dimensions `dim` and `dim + 1` be one?
bool merges(const CopyFrom& copy, size_t dim) {
  if (copy.perm[dim + 1] != copy.perm[dim] + 1 || copy.step[dim] != 1) return false;
  const bool both_repeat = repeats(copy, dim) && is_full(copy, dim) && repeats(copy, dim + 1);
  return is_full(copy, dim + 1) &&
         (both_repeat || (!repeats(copy, dim) && !repeats(copy, dim + 1)));
}

void merge(CopyFrom& copy, Shape& shape, size_t dim) {
  const auto from = static_cast<size_t>(copy.perm[dim]);
  const int64_t inner = copy.from.view[from + 1];
  Value merged{copy.from.variable, {}, {}};
  for (size_t d = 0; d < copy.from.view.size(); ++d) {
    if (d == from + 1) continue;
    const int64_t scale = d == from ? inner : 1;
    const Range& range = copy.from.box[d];
    merged.view.push_back(copy.from.view[d] * scale);
    merged.box.push_back({range.begin * scale, range.end * scale});
  }
  copy.from = merged;
  shape[dim] *= shape[dim + 1];
  const auto gone = static_cast<ptrdiff_t>(dim + 1);
  shape.erase(shape.begin() + gone);
  copy.perm.erase(copy.perm.begin() + gone);
  copy.step.erase(copy.step.begin() + gone);
  for (int64_t& p : copy.perm) p -= p > static_cast<int64_t>(from) ? 1 : 0;
}

void merge_all(CopyFrom& copy, Shape& shape) {
  for (size_t dim = 0; dim + 1 < shape.size();) {
    if (merges(copy, dim)) {
      merge(copy, shape, dim);
    } else {
      ++dim;
    }
  }
}

// `share` is the shape, or an IPU's share of it.
std::vector<int64_t> copy_blocks(const CopyFrom& copy, const Shape& share, int64_t tiles) {
  std::vector<std::vector<int64_t>> candidates;
  for (size_t d = 0; d < share.size(); ++d) {
    const auto from = static_cast<size_t>(copy.perm[d]);
    const int64_t grain = d + 1 == share.size() ? kCopyGrain : 1;
    // Regions are clipped to the view alone, so a box that ends before it takes equal blocks.
    const bool clips = copy.step[d] == 1 && copy.from.box[from].end == copy.from.view[from];
    candidates.push_back(clips || repeats(copy, d) ? block_sizes(share[d], tiles, grain)
                                                   : dividing_block_sizes(share[d], tiles, grain));
  }
  return choose_blocks(share, candidates, tiles);
}

Region source_region(const CopyFrom& copy, const Shape& shape, const std::vector<int64_t>& block) {
  Region region{copy.from.variable, copy.from.view, {}};
  region.dims.resize(copy.from.view.size());
  for (size_t d = 0; d < shape.size(); ++d) {
    const auto from = static_cast<size_t>(copy.perm[d]);
    const int64_t step = copy.step[d];
    const int64_t begin = copy.from.box[from].begin;
    const auto axis = static_cast<int32_t>(d);
    region.dims[from] = repeats(copy, d)
                            ? RegionDim{-1, begin, 0, 1}
                            : RegionDim{axis, begin, block[d] * step, (block[d] - 1) * step + 1};
  }
  return region;
}

std::vector<double> as_doubles(const std::vector<int64_t>& values) {
  return {values.begin(), values.end()};
}

}  // namespace

MakeVariable result_of(Lowering& lowering, const Node& node) {
  return [&lowering, &node](const Shape& view, const std::vector<int64_t>& block, int32_t dealt) {
    return lowering.result(&node, view, block, dealt);
  };
}

MakeVariable temporary_of(Lowering& lowering, const std::string& name, DType dtype) {
  return [&lowering, name, dtype](const Shape& view, const std::vector<int64_t>& block,
                                  int32_t dealt) {
    return lowering.temporary(name, dtype, view, block, dealt);
  };
}

VariableId emit_copy(Lowering& lowering, const std::string& name, const Node* node, CopyFrom copy,
                     Shape shape, const MakeVariable& make) {
  if (shape.empty()) {
    shape = {1};
    copy = {all_of(copy.from.variable, {1}), {0}, {1}};
  }
  merge_all(copy, shape);
  int32_t dealt = lowering.dealt(shape);
  // A block size that divides a share then divides the whole.
  if (dealt >= 0 && shape[static_cast<size_t>(dealt)] % lowering.together() != 0) dealt = -1;
  const std::vector<int64_t> block =
      copy_blocks(copy, lowering.share_of(shape, dealt), lowering.tiles());
  const VariableId out = make(shape, block, dealt);
  Step step(lowering, name, node->origin, "copy", out);
  step.param("perm", as_doubles(copy.perm)).param("step", as_doubles(copy.step));
  step.read(source_region(copy, shape, block)).emit();
  return out;
}

void lower_transpose(Lowering& lowering, const Node& node) {
  const Value from = lowering.shaped(node.in[0], node.in[0]->type.shape);
  emit_copy(lowering, node.name, &node,
            {from, node.ints("perm"), std::vector<int64_t>(node.type.shape.size(), 1)},
            node.type.shape, result_of(lowering, node));
}

// Forward steps are a copy; a dimension that runs backwards is copied forwards and then reversed.
void lower_slice(Lowering& lowering, const Node& node) {
  const Shape& shape = node.type.shape;
  CopyFrom copy{lowering.shaped(node.in[0], node.in[0]->type.shape), {}, {}};
  std::vector<size_t> backward;
  for (size_t d = 0; d < shape.size(); ++d) {
    const int64_t step = node.ints("step")[d], last = (shape[d] - 1) * step;
    if (step < 0 && shape[d] > 1) backward.push_back(d);
    copy.perm.push_back(static_cast<int64_t>(d));
    copy.step.push_back(std::abs(step));
    Range& range = copy.from.box[d];
    range.begin += node.ints("start")[d] + std::min<int64_t>(0, last);
    range.end = range.begin + std::abs(last) + 1;
  }
  const MakeVariable result = result_of(lowering, node);
  const MakeVariable temporary = temporary_of(lowering, node.name, node.type.dtype);
  VariableId id = emit_copy(lowering, node.name, &node, std::move(copy), shape,
                            backward.empty() ? result : temporary);
  for (size_t dim : backward) {
    constexpr int64_t kMostNumbers = int64_t{1} << 24;
    if (shape[dim] > kMostNumbers) {
      lowering.problem =
          Error{node.name + ": takes " + std::to_string(shape[dim]) +
                " elements backwards, must take at most " + std::to_string(kMostNumbers)};
      return;
    }
    std::vector<int32_t> numbers;
    for (int64_t i = shape[dim]; i-- > 0;) numbers.push_back(static_cast<int32_t>(i));
    id = emit_take(lowering, node.name, &node, all_of(id, shape), dim, numbers,
                   dim == backward.back() ? result : temporary);
  }
}

void lower_concat(Lowering& lowering, const Node& node) {
  if (node.in.size() >= kMaxPerSuperstep) {
    lowering.problem =
        Error{node.name + ": puts " + std::to_string(node.in.size()) +
                  " values together, must put fewer than " + std::to_string(kMaxPerSuperstep),
              ErrorKind::Refused, "limit"};
    return;
  }
  const auto axis = static_cast<size_t>(node.int_attr("axis"));
  const auto view_of = [axis](const Shape& shape) {
    Shape view{1, shape[axis], 1};
    for (size_t d = 0; d < shape.size(); ++d) {
      if (d != axis) view[d < axis ? 0 : 2] *= shape[d];
    }
    return view;
  };
  const Shape shape = view_of(node.type.shape);
  const int32_t dealt = lowering.dealt({shape[0], 1, shape[2]});
  const Shape share = lowering.share_of(shape, dealt);
  const std::vector<int64_t> block =
      choose_blocks(share,
                    {block_sizes(share[0], lowering.tiles()),
                     {share[1]},
                     block_sizes(share[2], lowering.tiles(), kCopyGrain)},
                    lowering.tiles());
  const VariableId out = lowering.result(&node, shape, block, dealt);
  Step step(lowering, node.name, node.origin, "concat", out);
  for (const Node* part : node.in) {
    if (elements(part->type.shape) == 0) continue;
    step.read(part, view_of(part->type.shape),
              {along(0, block[0]), whole_dim(), along(2, block[2])});
  }
  step.emit();
}

}  // namespace tessera
