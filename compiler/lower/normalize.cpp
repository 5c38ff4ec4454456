// SPDX-License-Identifier: Apache-2.0
// Norms and softmax: rows over tiles, each row whole on one.
#include <numeric>

#include "compiler/lower/state.h"
#include "compiler/plan/grid.h"

namespace tessera {
namespace {

// [rows, n] with the last dimension as n.
Shape rows_of(const Shape& shape) { return {elements(shape) / shape.back(), shape.back()}; }

// Over another axis than the last: that axis changes places with the last, and back.
void softmax_transposed(Lowering& lowering, const Node& node, size_t axis) {
  const Shape& shape = node.type.shape;
  Shape transposed = shape;
  std::swap(transposed[axis], transposed.back());
  std::vector<int64_t> perm(shape.size());
  std::iota(perm.begin(), perm.end(), 0);
  std::swap(perm[axis], perm.back());  // its own inverse
  const std::vector<int64_t> steps(shape.size(), 1);
  const MakeVariable temporary = temporary_of(lowering, node.name + "/transposed", node.type.dtype);
  const VariableId x =
      emit_copy(lowering, node.name + "/transpose", &node,
                {lowering.shaped(node.in[0], shape), perm, steps}, transposed, temporary);
  const Shape rows = rows_of(transposed);
  const int64_t block = ceil_div(lowering.share(rows[0]), lowering.tiles());
  const VariableId shares = temporary(rows, {block, rows[1]}, 0);
  Step step(lowering, node.name, node.origin, "softmax", shares);
  step.read(all_of(x, rows), {along(0, block), whole_dim()}).emit();
  emit_copy(lowering, node.name + "/transpose_back", &node,
            {all_of(shares, transposed), perm, steps}, shape, result_of(lowering, node));
}

}  // namespace

void lower_norm(Lowering& lowering, const Node& node) {
  const Shape rows = rows_of(node.type.shape);
  const int64_t block = ceil_div(lowering.share(rows[0]), lowering.tiles());
  const VariableId out = lowering.result(&node, rows, {block, rows[1]}, 0);
  const auto add = lowering.fusion.residual_adds.find(&node);
  const bool residual = add != lowering.fusion.residual_adds.end();
  std::vector<const Node*> terms{node.in[0]}, nodes{&node};
  if (residual) {
    terms = {add->second->in[0], add->second->in[1]};
    nodes.insert(nodes.begin(), add->second);
  }

  const bool centers = node.is(Op::LayerNorm);
  Step step(lowering, node.name, origins_of(nodes), centers ? "layer_norm" : "rms_norm", out);
  step.param("residual", {residual ? 1.0 : 0.0}).param("eps", {node.float_attr("eps")});
  for (const Node* term : terms) step.read(term, rows, {along(0, block), whole_dim()});
  for (size_t i = 1; i < node.in.size(); ++i) {
    lowering.place_in_few_blocks(node.in[i], i == 1 ? "gamma" : "beta");
    step.read(node.in[i], {rows[1]}, {whole_dim()});
  }
  step.emit();
}

void lower_softmax(Lowering& lowering, const Node& node) {
  const Shape& shape = node.type.shape;
  const auto axis = static_cast<size_t>(node.int_attr("axis"));
  if (axis + 1 == shape.size()) {
    const Shape rows = rows_of(shape);
    const int64_t block = ceil_div(lowering.share(rows[0]), lowering.tiles());
    const VariableId out = lowering.result(&node, rows, {block, rows[1]}, 0);
    Step step(lowering, node.name, node.origin, "softmax", out);
    step.read(node.in[0], rows, {along(0, block), whole_dim()}).emit();
    return;
  }
  softmax_transposed(lowering, node, axis);
}

}  // namespace tessera
