// SPDX-License-Identifier: Apache-2.0
#include "compiler/plan/pack.h"

#include "compiler/lower/state.h"
#include "compiler/plan/grid.h"
#include "program/boxes.h"

namespace tessera {
namespace {

// [rows, tokens, columns] of a tensor whose first two dimensions those are.
Shape tokens_of(const Shape& shape) {
  int64_t columns = 1;
  for (size_t d = 2; d < shape.size(); ++d) columns *= shape[d];
  return {shape[0], shape[1], columns};
}

constexpr int64_t kRowTiles = 32;

// Every vertex of an unpack hears from every tile that holds some of its columns. Where those are
// all columns of a narrow tensor that lies on many tiles, each of the two ends would spend more on
// exchange code than on data: it is brought together on a few tiles first.
std::optional<Value> on_few_tiles(Lowering& lowering, const Node& node, const Shape& rows,
                                  int64_t columns) {
  const Value value = lowering.shaped(node.in[0], rows);
  const bool scattered = block_count(lowering.mapping(value.variable)) > kRowTiles;
  if (columns < rows[1] || !scattered) return std::nullopt;
  const std::vector<int64_t> block = even_blocks(rows, kRowTiles, 1);
  const std::string name = node.name + "/together";
  const VariableId together = lowering.temporary(name, node.type.dtype, rows, block);
  Step step(lowering, name, node.origin, "copy", together);
  step.param("perm", {0, 1}).param("step", {1, 1});
  step.read(node.in[0], rows, {along(0, block[0]), along(1, block[1])}).emit();
  return all_of(together, rows);
}

// On several IPUs each has its own columns, where there are enough for its tiles.
int32_t dealt_columns(const Lowering& lowering, const Shape& shape) {
  constexpr int64_t kLeastOfIpu = 64;
  const bool many = shape.back() >= kLeastOfIpu * lowering.together();
  return many ? static_cast<int32_t>(shape.size()) - 1 : -1;
}

// The places of `segments`, which every tile reads whole.
void read_places(Step& step, Node* info, int64_t segments) {
  if (info->type.shape[1] == 1)
    step.read(info, {segments}, {whole_dim()});
  else
    step.read(info, {segments, 2}, {whole_dim(), whole_dim()});
}

}  // namespace

void lower_unpack(Lowering& lowering, const Node& node) {
  const Shape from = tokens_of(node.in[0]->type.shape), to = tokens_of(node.type.shape);
  const int32_t dealt = dealt_columns(lowering, to);
  const PackCut plan = plan_pack({.from_rows = from[0] * from[1],
                                  .rows = to[0],
                                  .row_size = to[1],
                                  .columns = lowering.share_of(to, dealt)[2],
                                  .dtype = node.type.dtype},
                                 lowering.program.target, lowering.working_bytes());
  const Shape rows{from[0] * from[1], from[2]};
  const std::vector<RegionDim> tokens{whole_dim(), along(2, plan.columns)};
  const std::optional<Value> together = on_few_tiles(lowering, node, rows, plan.columns);
  const VariableId out = lowering.result(&node, to, {plan.rows, to[1], plan.columns}, dealt);
  Step step(lowering, node.name, node.origin, "unpack", out);
  if (together) {
    step.read(*together, tokens);
  } else {
    step.read(node.in[0], rows, tokens);
  }
  read_places(step, node.in[1], to[0]);
  step.emit();
}

void lower_pack(Lowering& lowering, const Node& node) {
  const Shape from = tokens_of(node.in[0]->type.shape), to = tokens_of(node.type.shape);
  const Shape out_rows{to[0] * to[1], to[2]};
  const int32_t dealt = dealt_columns(lowering, out_rows);
  const PackCut plan = plan_pack({.from_rows = from[0] * from[1],
                                  .rows = out_rows[0],
                                  .columns = lowering.share_of(out_rows, dealt)[1],
                                  .dtype = node.type.dtype},
                                 lowering.program.target, lowering.working_bytes());
  const VariableId out = lowering.result(&node, out_rows, {plan.rows, plan.columns}, dealt);
  Step step(lowering, node.name, node.origin, "pack", out);
  step.read(node.in[0], from, {whole_dim(), whole_dim(), along(1, plan.columns)});
  read_places(step, node.in[1], from[0]);
  step.emit();
}

}  // namespace tessera
