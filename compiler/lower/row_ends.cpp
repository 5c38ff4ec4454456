// SPDX-License-Identifier: Apache-2.0
// The largest magnitudes from which a scale is made while the model runs: rows over tiles.
#include "compiler/lower/state.h"
#include "support/math.h"

namespace tessera {

void lower_row_ends(Lowering& lowering, const Node& node) {
  const Shape& from = node.in[0]->type.shape;
  const int64_t rows = elements(node.type.shape) / 2;
  const int64_t block = ceil_div(lowering.share(rows), lowering.tiles());
  const VariableId out = lowering.result(&node, {rows, 2}, {block, 2}, 0);
  Step step(lowering, node.name, node.origin, "row_ends", out);
  step.read(node.in[0], {rows, from.back()}, {along(0, block), whole_dim()}).emit();
}

void lower_segment_max(Lowering& lowering, const Node& node) {
  const Shape& shape = node.type.shape;
  const int64_t block = ceil_div(lowering.share(shape[0]), lowering.tiles());
  const VariableId out = lowering.result(&node, shape, {block, shape[1], shape[2]}, 0);
  Step step(lowering, node.name, node.origin, "segment_max", out);
  step.read(node.in[0], shape, {along(0, block), whole_dim(), whole_dim()})
      .read(node.in[1], {shape[0], shape[1]}, {along(0, block), whole_dim()})
      .emit();
}

}  // namespace tessera
