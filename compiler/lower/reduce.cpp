// SPDX-License-Identifier: Apache-2.0
// Sums and maxima over axes, and running sums. The axes become one dimension k between what stands
// before and after them; a long one is cut into shorter ones first, since a result is made by
// one tile.
#include <algorithm>

#include "compiler/lower/state.h"
#include "compiler/plan/grid.h"

namespace tessera {
namespace {

constexpr int64_t kGrain = 8;
constexpr int64_t kLong = 1024;

struct Reduction {
  int64_t o = 1, k = 1, n = 1;
  Shape view() const { return {o, k, n}; }
};

// The axes in the middle; nothing if something kept stands between them.
std::optional<Reduction> middle(const Shape& shape, const std::vector<int64_t>& axes) {
  Reduction r;
  bool seen = false;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 1) continue;
    if (std::ranges::binary_search(axes, static_cast<int64_t>(d))) {
      if (r.n != 1) return std::nullopt;
      r.k *= shape[d];
      seen = true;
    } else {
      (seen ? r.n : r.o) *= shape[d];
    }
  }
  return r;
}

// Kept dimensions first, then the axes.
VariableId bring_together(Lowering& lowering, const Node& node, Reduction& r) {
  const Shape& from = node.in[0]->type.shape;
  const std::vector<int64_t>& axes = node.ints("axes");
  CopyFrom copy{lowering.shaped(node.in[0], from), {}, std::vector<int64_t>(from.size(), 1)};
  Shape shape;
  r = {};
  for (const bool reduced : {false, true}) {
    for (size_t d = 0; d < from.size(); ++d) {
      if (std::ranges::binary_search(axes, static_cast<int64_t>(d)) != reduced) continue;
      copy.perm.push_back(static_cast<int64_t>(d));
      shape.push_back(from[d]);
      (reduced ? r.k : r.o) *= from[d];
    }
  }
  const std::string name = node.name + "/transpose";
  return emit_copy(lowering, name, &node, std::move(copy), shape,
                   temporary_of(lowering, name, node.in[0]->type.dtype));
}

// Into how many parts to cut a long k: at most its square root, where adding up the parts is as
// long again. Whatever o and n are, so that a sum is added in the same order in any batch.
int64_t parts_of(int64_t k, int64_t tiles) {
  if (k < kLong) return 1;
  int64_t parts = 1;
  for (int64_t p = 2; p * p <= k && p <= tiles; ++p) {
    if (k % p == 0) parts = p;
  }
  return parts;
}

Step reduce_step(Lowering& lowering, const Node& node, const std::string& name, VariableId out) {
  Step step(lowering, name, node.origin, "reduce", out);
  step.param("kind", {node.is(Op::ReduceMax) ? 1.0 : 0.0});
  return step;
}

std::vector<RegionDim> over_k(const std::vector<int64_t>& block) {
  return {along(0, block[0]), whole_dim(), along(1, block[1])};
}

}  // namespace

void lower_reduce(Lowering& lowering, const Node& node) {
  Reduction r;
  Value x;
  if (const auto found = middle(node.in[0]->type.shape, node.ints("axes"))) {
    r = *found;
    x = all_of(lowering.packed(node.in[0]).variable, r.view());
  } else {
    const VariableId id = bring_together(lowering, node, r);
    x = all_of(id, r.view());
  }
  if (const int64_t parts = parts_of(r.k, lowering.tiles()); parts > 1) {
    const Reduction part{r.o * parts, r.k / parts, r.n};
    const DType dtype = is_float(node.type.dtype) ? DType::F32 : node.type.dtype;
    const Shape shape{part.o, part.n};
    const int32_t dealt = lowering.dealt(shape);
    const std::vector<int64_t> block =
        even_blocks(lowering.share_of(shape, dealt), lowering.tiles(), kGrain);
    const VariableId out = lowering.temporary(node.name + "/partials", dtype, shape, block, dealt);
    Step step = reduce_step(lowering, node, node.name + "/partials", out);
    step.read(all_of(x.variable, part.view()), over_k(block)).emit();
    r.k = parts;
    x = all_of(out, r.view());
  }
  const Shape shape{r.o, r.n};
  const int32_t dealt = lowering.dealt(shape);
  const std::vector<int64_t> block =
      even_blocks(lowering.share_of(shape, dealt), lowering.tiles(), kGrain);
  const VariableId out = lowering.result(&node, shape, block, dealt);
  Step step = reduce_step(lowering, node, node.name, out);
  step.read(x, over_k(block)).emit();
}

void lower_cumsum(Lowering& lowering, const Node& node) {
  const Shape& from = node.type.shape;
  const auto axis = static_cast<size_t>(node.int_attr("axis"));
  Reduction r{.k = from[axis]};
  for (size_t d = 0; d < from.size(); ++d) {
    if (d != axis) (d < axis ? r.o : r.n) *= from[d];
  }
  const Shape shape = r.view();
  const int64_t tiles = lowering.tiles();
  const std::vector<int64_t> block = choose_blocks(
      shape, {block_sizes(r.o, tiles), {r.k}, block_sizes(r.n, tiles, kGrain)}, tiles);
  const VariableId out = lowering.result(&node, shape, block);
  Step step(lowering, node.name, node.origin, "cumsum", out);
  step.read(node.in[0], shape, {along(0, block[0]), whole_dim(), along(2, block[2])}).emit();
}

}  // namespace tessera
