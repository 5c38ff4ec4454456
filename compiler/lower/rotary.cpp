// SPDX-License-Identifier: Apache-2.0
// Rotary embedding: whole heads over tiles, so that both numbers of a pair are on one. A tile has
// all heads of its tokens, whose angles it then receives once; heads are cut where that is a tenth
// more even.
#include "compiler/lower/state.h"
#include "compiler/plan/grid.h"

namespace tessera {

void lower_rotary(Lowering& lowering, const Node& node) {
  const Shape& shape = node.type.shape;
  const int64_t heads = node.int_attr("heads"), depth = shape[2] / heads;
  const Shape view{shape[0], shape[1], heads, depth};
  const int64_t tiles = lowering.tiles();
  const int32_t dealt = lowering.dealt({shape[0], shape[1], heads});
  const Shape share = lowering.share_of(view, dealt);
  const std::vector<int64_t> block = choose_blocks(share,
                                                   {block_sizes(share[0], tiles),
                                                    block_sizes(share[1], tiles),
                                                    block_sizes(share[2], tiles),
                                                    {depth}},
                                                   tiles);
  const VariableId out = lowering.result(&node, view, block, dealt);
  Step step(lowering, node.name, node.origin, "rotary", out);
  step.param("halves", {node.string_attr("form") == "halves" ? 1.0 : 0.0});
  step.read(node.in[0], view,
            {along(0, block[0]), along(1, block[1]), along(2, block[2]), whole_dim()});
  for (size_t i : {1, 2}) {
    const Shape& angles = node.in[i]->type.shape;
    const RegionDim batch = angles[0] == 1 ? whole_dim() : along(0, block[0]);
    step.read(node.in[i], angles, {batch, along(1, block[1]), whole_dim()});
  }
  step.emit();
}

}  // namespace tessera
