// SPDX-License-Identifier: Apache-2.0
#include "compiler/plan/pack.h"

#include "compiler/lower/state.h"

namespace tessera {
namespace {

// [rows, tokens, columns] of a tensor whose first two dimensions those are.
Shape tokens_of(const Shape& shape) {
  int64_t columns = 1;
  for (size_t d = 2; d < shape.size(); ++d) columns *= shape[d];
  return {shape[0], shape[1], columns};
}

}  // namespace

void lower_unpack(Lowering& lowering, const Node& node) {
  const Shape from = tokens_of(node.in[0]->type.shape), to = tokens_of(node.type.shape);
  const PackPlan plan = plan_pack({.from_rows = from[0] * from[1],
                                   .rows = to[0],
                                   .row_size = to[1],
                                   .columns = to[2],
                                   .dtype = node.type.dtype},
                                  lowering.program.target, lowering.working_bytes());
  const VariableId out = lowering.result(&node, to, {plan.rows, to[1], plan.columns});
  Step step(lowering, node.name, node.origin, "unpack", out);
  step.read(node.in[0], {from[0] * from[1], from[2]}, {whole_dim(), along(2, plan.columns)});
  step.read(node.in[1], {to[0]}, {whole_dim()}).emit();
}

void lower_pack(Lowering& lowering, const Node& node) {
  const Shape from = tokens_of(node.in[0]->type.shape), to = tokens_of(node.type.shape);
  const Shape out_rows{to[0] * to[1], to[2]};
  const PackPlan plan = plan_pack({.from_rows = from[0] * from[1],
                                   .rows = out_rows[0],
                                   .columns = out_rows[1],
                                   .dtype = node.type.dtype},
                                  lowering.program.target, lowering.working_bytes());
  const VariableId out = lowering.result(&node, out_rows, {plan.rows, plan.columns});
  Step step(lowering, node.name, node.origin, "pack", out);
  step.read(node.in[0], from, {whole_dim(), whole_dim(), along(1, plan.columns)});
  step.read(node.in[1], {from[0]}, {whole_dim()}).emit();
}

}  // namespace tessera
